// SPDX-License-Identifier: Apache-2.0
//
// The pod listens and the switch connects, with DPDK on either side: testpmd's virtio-user as server of our switch, and
// testpmd's vhost as client of our driver, in each kind of ring. Either side dies in the middle of traffic and the other one goes
// on by itself.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import { needs } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { type RunningDriver, RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { accountOf, exchange, peerMac, verifyingDriver, wantedFrames } from './echo.ts';
import {
  printedRows,
  restartedPortStation,
  restartedTestpmdStation,
  switchStation,
  testpmdStation,
} from './ledger.ts';
import { restartPort } from './restarted-port.ts';
import { serverModes } from './server-modes.ts';

const row = printedRows();
const test = needs('dpdk-testpmd');
const timeout = 120_000;
const size = 512;
const undo: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
}, timeout);

function directory(): string {
  const made = privateDirectory();
  undo.push(() => made.remove());
  return made.path;
}

/** A switch with a port for our driver, and one that connects to testpmd. */
function startSwitch(at: string): RunningSwitch {
  const ours = new RunningSwitch({ directory: at });
  undo.push(() => ours.close());
  ours.addPort('ours');
  ours.addPort('dpdk', { connect: true });
  return ours;
}

function startDriver(options: Omit<Parameters<typeof verifyingDriver>[0], 'size'>): RunningDriver {
  const driver = verifyingDriver({ ...options, size });
  undo.push(() => driver.close());
  return driver;
}

async function startTestpmd(port: Parameters<typeof Testpmd.start>[0]['ports'][number]): Promise<Testpmd> {
  const testpmd = await Testpmd.start({ ports: [port], forward: 'macswap' });
  undo.push(() => testpmd.stop());
  await testpmd.startForwarding();
  return testpmd;
}

for (const { name, devargs } of serverModes.virtioUser) {
  test(
    `testpmd with server=1, ${name}, goes on when the switch is gone and back, and the switch when testpmd was killed`,
    async () => {
      const at = directory();
      const first = startSwitch(at);
      const queueSize = 256;
      const path = first.socket('dpdk');
      const port = {
        kind: 'virtio-user',
        path,
        mac: peerMac,
        queueSize,
        devargs: ['server=1', ...devargs],
      } as const;
      const testpmd = await startTestpmd(port);
      await first.until('dpdk', 'up');
      const driver = startDriver({ path: first.socket('ours'), queueSize });
      await driver.linkUp();
      const before = await accountOf(
        driver,
        [switchStation(first, 'ours', 'dpdk'), testpmdStation(testpmd)],
        () => exchange(driver, wantedFrames),
      );
      row(`virtio-user server=1, ${name}`, before);
      expect(before).toMatchObject({ corrupted: 0, foreign: 0 });
      const stopped = await accountOf(
        driver,
        [
          switchStation(first, 'ours', 'dpdk'),
          restartedTestpmdStation(testpmd),
          restartedPortStation(first, 'dpdk', testpmd),
        ],
        () => restartPort(testpmd, driver),
      );
      row(`virtio-user server=1, ${name}, port stopped and started`, stopped);
      expect(stopped).toMatchObject({ corrupted: 0, foreign: 0 });

      driver.setRunning(true);
      first.close();
      await driver.linkDown();
      driver.setRunning(false);
      const second = startSwitch(at);
      await second.until('dpdk', 'up');
      await driver.linkUp();
      // What lay in testpmd's rings when the switch died comes out now, so there is no exact account.
      await exchange(driver, wantedFrames);
      expect(driver.metric('corrupted')).toBe(0);
      expect(second.port('dpdk')).toMatchObject({ state: 'up', connections: 1 });

      await testpmd.kill();
      await second.until('dpdk', 'connecting');
      // DPDK does not replace a socket that a killed process has left; the switch finds it dead meanwhile.
      rmSync(path);
      const next = await startTestpmd(port);
      await second.until('dpdk', 'up');
      const last = await accountOf(
        driver,
        [switchStation(second, 'ours', 'dpdk'), testpmdStation(next)],
        () => exchange(driver, wantedFrames),
      );
      row(`virtio-user server=1, ${name}, killed and started again`, last);
      expect(last).toMatchObject({ corrupted: 0, foreign: 0 });
    },
    timeout,
  );
}

for (const { name, offers } of serverModes.vhost) {
  test(
    `our driver, ${name}, listens for testpmd with client=1, and both find each other again after either was killed`,
    async () => {
      const path = join(directory(), 'vhost.sock');
      const port = { kind: 'vhost', path, client: true } as const;
      const first = startDriver({ path, queueSize: 256, server: true, offers });
      const testpmd = await startTestpmd(port);
      await first.linkUp();
      const before = await accountOf(first, [testpmdStation(testpmd)], () => exchange(first, wantedFrames));
      row(`vhost client=1, ${name}`, before);
      expect(before).toMatchObject({ corrupted: 0, foreign: 0 });
      const stopped = await accountOf(first, [restartedTestpmdStation(testpmd)], () =>
        restartPort(testpmd, first),
      );
      row(`vhost client=1, ${name}, port stopped and started`, stopped);
      expect(stopped).toMatchObject({ corrupted: 0, foreign: 0 });

      first.setRunning(true);
      await testpmd.kill();
      await first.linkDown();
      first.setRunning(false);
      const next = await startTestpmd(port);
      await first.linkUp();
      const after = await accountOf(first, [testpmdStation(next)], () => exchange(first, wantedFrames));
      row(`vhost client=1, ${name}, killed and started again`, after);
      expect(after).toMatchObject({ corrupted: 0, foreign: 0 });
      expect(first.linksUp).toBe(2);

      first.close();
      const second = startDriver({ path, queueSize: 1024, server: true, offers });
      await second.linkUp();
      const last = await accountOf(second, [testpmdStation(next)], () => exchange(second, wantedFrames));
      row(`vhost client=1, ${name}, driver started again`, last);
      expect(last).toMatchObject({ corrupted: 0, foreign: 0 });
    },
    timeout,
  );
}
