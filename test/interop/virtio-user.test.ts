// SPDX-License-Identifier: Apache-2.0
//
// DPDK's virtio-user as front-end of our switch: our driver → switch → testpmd, which swaps the addresses → switch → our
// driver, in every mode, also while testpmd's port is stopped and started. Our driver's rings may be of another kind.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { accountOf, echo, peerMac, verifyingDriver, wantedFrames } from './echo.ts';
import { sizesFor } from './frame-sizes.ts';
import {
  printedRows,
  restartedPortStation,
  restartedTestpmdStation,
  switchStation,
  testpmdStation,
} from './ledger.ts';
import { restartPort } from './restarted-port.ts';
import { pathFeatures, titleOf, virtioUserModes } from './virtio-user-modes.ts';

const row = printedRows();
const driverQueueSize = 256;

for (const mode of virtioUserModes) {
  const { devargs, queueSize, bufferBytes, mergeable, vectorBits, receivePath, features } = mode;
  const name = `virtio-user ${titleOf(mode)}`;
  groupNeeds('dpdk-testpmd')(name, () => {
    const directory = privateDirectory();
    let ours: RunningSwitch;
    const started: Testpmd[] = [];

    function running(): Testpmd {
      const [testpmd] = started;
      if (testpmd === undefined) throw new Error('testpmd has not started');
      return testpmd;
    }

    beforeAll(async () => {
      ours = new RunningSwitch({ directory: directory.path });
      const mtu = mergeable ? 9000 : 1500;
      ours.addPort('ours', { mtu });
      const path = ours.addPort('dpdk', { mtu });
      const testpmd = await Testpmd.start({
        ports: [{ kind: 'virtio-user', path, mac: peerMac, queueSize, devargs }],
        forward: 'macswap',
        ...(bufferBytes === undefined ? {} : { bufferBytes }),
        ...(vectorBits === undefined ? {} : { vectorBits }),
        logLevels: ['pmd.net.virtio.init:info'],
      });
      started.push(testpmd);
      await ours.until('dpdk', 'up');
      await testpmd.startForwarding();
    }, 60_000);

    afterAll(async () => {
      await started[0]?.stop();
      ours.close();
      directory.remove();
    });

    test('takes the features of the mode', () => {
      expect(pathFeatures(ours.port('dpdk').features)).toEqual(features);
    });

    test('has DPDK on the path of the mode', () => {
      const paths = [...running().output.matchAll(/virtio: using ([\w ]+) Rx path on port/g)];
      expect(new Set(paths.map(([, path]) => path))).toEqual(new Set([receivePath]));
    });

    test.each(sizesFor(mergeable))(
      '%i bytes come back whole and every missing frame has a name',
      async (size) => {
        const account = await echo({
          path: ours.socket('ours'),
          queueSize: driverQueueSize,
          size,
          offers: { mergeable: size > 2048 },
          stations: [switchStation(ours, 'ours', 'dpdk'), testpmdStation(running())],
          ready: () => ours.until('ours', 'up'),
        });
        row(`${name}, ${size} B`, account);
        expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
        expect(account.received).toBeGreaterThanOrEqual(wantedFrames);
      },
    );

    test('traffic goes on when the port was stopped and started', async () => {
      const testpmd = running();
      const driver = verifyingDriver({ path: ours.socket('ours'), queueSize: driverQueueSize, size: 512 });
      try {
        await driver.linkUp();
        await ours.until('ours', 'up');
        const stations = [
          switchStation(ours, 'ours', 'dpdk'),
          restartedTestpmdStation(testpmd),
          restartedPortStation(ours, 'dpdk', testpmd),
        ];
        const account = await accountOf(driver, stations, () => restartPort(testpmd, driver));
        row(`${name}, port stopped and started`, account);
        expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
        expect(ours.port('dpdk')).toMatchObject({ state: 'up', lastError: '', connections: 1 });
        // One ring at a time, at most twice in a start.
        expect(account.losses['testpmd.emptied'] ?? 0).toBeLessThanOrEqual(2 * queueSize);
        const [port] = await testpmd.portStats();
        expect(port?.txPackets).toBe(ours.port('dpdk').counters['tx_packets']);
      } finally {
        driver.close();
      }
    }, 60_000);
  });
}
