// SPDX-License-Identifier: Apache-2.0
//
// DPDK's virtio-user as front-end of our switch: our driver → switch → testpmd, which swaps the addresses → switch → our
// driver, for the device arguments that change DPDK's code path.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { echo, frameSizes, peerMac, wantedFrames } from './echo.ts';
import { printedRows, switchStation, testpmdStation } from './ledger.ts';

const row = printedRows();
const variants = [[], ['mrg_rxbuf=0'], ['in_order=0']].flatMap((devargs) =>
  [256, 1024].map((queueSize) => ({ devargs, queueSize })),
);

for (const { devargs, queueSize } of variants) {
  const name = `virtio-user ${devargs.join(',') || 'default'}, queue_size=${queueSize}`;
  groupNeeds('dpdk-testpmd')(name, () => {
    const directory = privateDirectory();
    let ours: RunningSwitch;
    let testpmd: Testpmd | undefined;

    beforeAll(async () => {
      ours = new RunningSwitch({ directory: directory.path });
      ours.addPort('ours');
      const path = ours.addPort('dpdk');
      testpmd = await Testpmd.start({
        ports: [{ kind: 'virtio-user', path, mac: peerMac, queueSize, devargs }],
        forward: 'macswap',
      });
      await ours.until('dpdk', 'up');
      await testpmd.startForwarding();
    }, 60_000);

    afterAll(async () => {
      await testpmd?.stop();
      ours.close();
      directory.remove();
    });

    test.each(frameSizes)('%i bytes come back whole and every missing frame has a name', async (size) => {
      if (testpmd === undefined) throw new Error('testpmd has not started');
      const account = await echo({
        path: ours.socket('ours'),
        queueSize,
        size,
        stations: [switchStation(ours, 'ours', 'dpdk'), testpmdStation(testpmd)],
        ready: () => ours.until('ours', 'up'),
      });
      row(`${name}, ${size} B`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
      expect(account.received).toBeGreaterThanOrEqual(wantedFrames);
    });
  });
}
