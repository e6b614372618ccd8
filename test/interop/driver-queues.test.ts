// SPDX-License-Identifier: Apache-2.0
//
// Our driver with several queue pairs: at DPDK's vhost with eight, which sends each frame back by the pair it came by, and at
// our switch, whose other port echoes. Every frame is counted, also while pairs rest and come back under traffic.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningDriver, RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { driverQueueModes } from './driver-queue-modes.ts';
import { accountOf, verifyingDriver, wantedFrames } from './echo.ts';
import { driverStation, printedRows, type Station, switchStation, testpmdStation } from './ledger.ts';

const row = printedRows();
const queueSize = 256;
const most = 8;
/** How long a driver that ends waits for its back-ends (native/driver/connector.h). */
const farewellMillis = 250;

/** Frames of each pair, `rx` or `tx`. */
function byPair(driver: RunningDriver, direction: 'rx' | 'tx', pairs: number): number[] {
  const { counters } = driver;
  return Array.from({ length: pairs }, (_, pair) => counters[`${direction}_packets_q${pair}`] ?? 0);
}

/** Sends until so many frames have come back, and each pair has carried some in these directions: its thread may have begun late. */
async function allPairs(
  driver: RunningDriver,
  pairs: number,
  frames: number,
  directions: readonly ('rx' | 'tx')[],
): Promise<void> {
  driver.setRunning(true);
  try {
    await eventually(
      () => driver.metric('received'),
      (count) => count >= frames,
      `${frames} frames`,
    );
    for (const direction of directions) {
      await eventually(
        () => Math.min(...byPair(driver, direction, pairs)),
        (least) => least > 0,
        `frames of each pair, ${direction}`,
      );
    }
  } finally {
    driver.setRunning(false);
  }
}

/** Counts frames that all pairs carry, then those of one pair, then those of all again. */
async function restAndReturn(driver: RunningDriver, pairs: number): Promise<void> {
  const active = (): number => driver.counters['active_pairs'] ?? 0;
  driver.setRunning(true);
  try {
    for (const count of [1, pairs, 1, pairs]) {
      driver.setQueuePairs(count);
      await eventually(active, (now) => now === count, `${count} active pairs`);
      const received = driver.metric('received');
      await eventually(
        () => driver.metric('received'),
        (now) => now >= received + wantedFrames,
        `${wantedFrames} more frames`,
      );
    }
  } finally {
    driver.setRunning(false);
  }
}

/** Ends a driver. What vhost has said by the end of the connection, and how long the driver took. */
async function ended(driver: RunningDriver, testpmd: Testpmd): Promise<{ said: string; millis: number }> {
  const { length } = testpmd.output;
  const begin = performance.now();
  driver.close();
  const millis = performance.now() - begin;
  await testpmd.printed('vhost peer closed', length);
  return { said: testpmd.output.slice(length).split('vhost peer closed')[0] ?? '', millis };
}

for (const { name, pairs, offers } of driverQueueModes) {
  groupNeeds('dpdk-testpmd')(`vhost, ${name}`, () => {
    const directory = privateDirectory();
    const path = join(directory.path, 'vhost.sock');
    const started: { testpmd?: Testpmd; driver?: RunningDriver } = {};

    function running(): { testpmd: Testpmd; driver: RunningDriver } {
      const { testpmd, driver } = started;
      if (testpmd === undefined || driver === undefined) throw new Error('nothing has started');
      return { testpmd, driver };
    }

    beforeAll(async () => {
      started.testpmd = await Testpmd.start({
        ports: [{ kind: 'vhost', path, queues: most }],
        forward: 'macswap',
        arguments: [`--rxq=${most}`, `--txq=${most}`],
        logLevels: ['lib.vhost.config:info'],
      });
      await started.testpmd.startForwarding();
      started.driver = verifyingDriver({ path, queueSize, size: 512, offers, queuePairs: pairs });
      await started.driver.linkUp();
    }, 60_000);

    afterAll(async () => {
      started.driver?.close();
      await started.testpmd?.stop();
      directory.remove();
    });

    test('each pair carries frames, which come back whole', async () => {
      const { testpmd, driver } = running();
      expect(driver.queuePairs).toBe(pairs);
      const stations = [testpmdStation(testpmd)];
      const account = await accountOf(driver, stations, () =>
        allPairs(driver, pairs, wantedFrames * pairs, ['tx', 'rx']),
      );
      row(`vhost, ${name}`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
    }, 60_000);

    test('pairs rest and come back under traffic', async () => {
      const { testpmd, driver } = running();
      const stations = [testpmdStation(testpmd)];
      const account = await accountOf(driver, stations, () => restAndReturn(driver, pairs));
      row(`vhost, ${name}, pairs at rest`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
      expect(driver.linksUp).toBe(1);
    }, 60_000);

    test('at the end vhost has stopped each ring and reset the device before the connection closes', async () => {
      const { testpmd, driver } = running();
      delete started.driver;
      let end = await ended(driver, testpmd);
      // On a machine that is too busy vhost may have been left in the middle.
      while (end.millis >= farewellMillis) {
        const again = verifyingDriver({ path, queueSize, size: 512, offers, queuePairs: pairs });
        started.driver = again;
        await again.linkUp();
        end = await ended(again, testpmd);
        delete started.driver;
      }
      expect(end.said.match(/vring base idx:\d+|-RESET: 1/g)).toEqual([
        ...Array.from({ length: 2 * pairs }, (_, ring) => `vring base idx:${ring}`),
        '-RESET: 1',
      ]);
    }, 60_000);
  });

  test(`at our switch, ${name}: every frame is counted, also with pairs at rest`, async () => {
    const directory = privateDirectory();
    const ours = new RunningSwitch({ directory: directory.path });
    const drivers: RunningDriver[] = [];
    try {
      const echoing = new RunningDriver({
        ...{ path: ours.addPort('echo'), queueSize, queuePairs: pairs, offers },
        engine: { kind: 'l2fwd', mode: 'swap' },
      });
      drivers.push(echoing);
      const path = ours.addPort('source');
      const source = verifyingDriver({ path, queueSize, size: 512, offers, queuePairs: pairs });
      drivers.push(source);
      for (const driver of drivers) {
        await driver.linkUp();
        expect(driver.queuePairs).toBe(pairs);
      }
      await Promise.all(['echo', 'source'].map((port) => ours.until(port, 'up')));
      const other: Station = async () => {
        const losses = Object.entries(await driverStation(echoing)());
        return Object.fromEntries(losses.map(([loss, count]) => [`echo.${loss}`, count]));
      };
      const stations = [switchStation(ours, 'source', 'echo'), other];
      const account = await accountOf(source, stations, async () => {
        await allPairs(source, pairs, wantedFrames, ['tx']);
        await restAndReturn(source, pairs);
      });
      row(`our switch, ${name}, pairs at rest`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
    } finally {
      for (const driver of drivers) driver.close();
      ours.close();
      directory.remove();
    }
  }, 60_000);
}
