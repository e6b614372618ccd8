// SPDX-License-Identifier: Apache-2.0
//
// DPDK's virtio-user as front-end of our switch: our driver → switch → testpmd, which swaps the addresses → switch → our
// driver, for the device arguments that change DPDK's code path. Our driver's rings may be of another kind than testpmd's.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { virtioFeatures } from '../../lib/feature-names.ts';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { echo, frameSizes, peerMac, wantedFrames } from './echo.ts';
import { printedRows, switchStation, testpmdStation } from './ledger.ts';

const row = printedRows();
/** Device arguments, and the features that DPDK then takes of those that are offered. */
const modes: readonly (readonly [devargs: string, features: readonly string[]])[] = [
  ['', ['MRG_RXBUF', 'IN_ORDER']],
  ['mrg_rxbuf=0', ['IN_ORDER']],
  ['in_order=0', ['MRG_RXBUF']],
  ['mrg_rxbuf=0,in_order=0', []],
  ['mrg_rxbuf=0,in_order=0,vectorized=1', []],
  ['packed_vq=1,mrg_rxbuf=1,in_order=0', ['RING_PACKED', 'MRG_RXBUF']],
  ['packed_vq=1,mrg_rxbuf=0,in_order=0', ['RING_PACKED']],
  ['packed_vq=1,mrg_rxbuf=1,in_order=1', ['RING_PACKED', 'MRG_RXBUF', 'IN_ORDER']],
  ['packed_vq=1,mrg_rxbuf=0,in_order=1', ['RING_PACKED', 'IN_ORDER']],
  ['packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1', ['RING_PACKED', 'IN_ORDER']],
];
/** DPDK knows these three by device argument; it takes others by itself. */
const named = ['RING_PACKED', 'MRG_RXBUF', 'IN_ORDER'];
const variants = [
  ...modes.map((mode) => [...mode, 256] as const),
  ['', ['MRG_RXBUF', 'IN_ORDER'], 1024] as const,
  ['packed_vq=1,in_order=1,mrg_rxbuf=0,vectorized=1', ['RING_PACKED', 'IN_ORDER'], 255] as const,
  ['packed_vq=1,in_order=0,mrg_rxbuf=1', ['RING_PACKED', 'MRG_RXBUF'], 255] as const,
].map(([devargs, features, queueSize]) => ({
  devargs: devargs === '' ? [] : devargs.split(','),
  features,
  queueSize,
}));

for (const { devargs, features, queueSize } of variants) {
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

    test('what was negotiated is what the arguments say', () => {
      const got = virtioFeatures(ours.port('dpdk').features);
      expect(named.filter((name) => got.includes(name))).toEqual(features);
    });

    test.each(frameSizes)('%i bytes come back whole and every missing frame has a name', async (size) => {
      if (testpmd === undefined) throw new Error('testpmd has not started');
      const account = await echo({
        path: ours.socket('ours'),
        queueSize: 256,
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
