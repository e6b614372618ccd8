// SPDX-License-Identifier: Apache-2.0
//
// testpmd's csum engine between two networks of our switch, with a kernel in each: what DPDK leaves undone on frames is done by
// the switch for a receiver whose kernel verifies every sum.

import { afterEach, expect } from '@jest/globals';
import { virtioFeatures } from '../../lib/feature-names.ts';
import { checksumErrors } from '../support/checksum-errors.ts';
import { needs } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { drops, RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { csumModes } from './csum-modes.ts';
import { FarEnd } from './guest/far-end.ts';
import { offloads } from './guest/modes.ts';
import { farAddress, guestAddress } from './guest/story.ts';
import { streams } from './guest/transfers.ts';
import { Ledger, printedRows, type Station, switchStation, testpmdStation } from './ledger.ts';

const row = printedRows();
const test = needs('dpdk-testpmd', 'busybox', 'ip', 'unshare', 'nsenter');
const timeout = 120_000;
const undo: (() => void | Promise<void>)[] = [];
/** Ports of the switch: the kernels', and testpmd's beside each. */
const ports = ['sender', 'dpdk0', 'dpdk1', 'verifier'] as const;
const kernels = ['sender', 'verifier'] as const;

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
}, timeout);

for (const mode of csumModes) {
  test(
    `csum engine, ${mode.name}: every sum is right at the receiver`,
    async () => {
      const directory = privateDirectory();
      undo.push(() => directory.remove());
      const ours = new RunningSwitch({ directory: directory.path });
      undo.push(() => ours.close());
      for (const port of ports) {
        ours.addPort(port, { network: port === 'sender' || port === 'dpdk0' ? 'left' : 'right' });
      }
      const start = async (name: string, address: string, left: boolean): Promise<FarEnd> => {
        const end = await FarEnd.start(ours.socket(name), `${address}/24`, { offloads: left });
        undo.push(() => end.close());
        await ours.until(name, 'up');
        await end.linkUp();
        return end;
      };
      const sender = await start('sender', farAddress, true);
      const verifier = await start('verifier', guestAddress, false);

      const testpmd = await Testpmd.start({
        ports: (['dpdk0', 'dpdk1'] as const).map((name, index) => ({
          ...{ kind: 'virtio-user', path: ours.socket(name), queueSize: 256 },
          mac: `02:00:00:00:00:d${index}`,
        })),
        forward: 'csum',
        peerMacs: [await sender.mac(), await verifier.mac()],
        arguments: mode.arguments,
      });
      undo.push(() => testpmd.stop());
      for (const port of [0, 1]) {
        await testpmd.command(`port stop ${port}`);
        for (const command of mode.commands) await testpmd.command(command.replace('PORT', String(port)));
        await testpmd.command(`port start ${port}`);
        await ours.until(`dpdk${port}`, 'up');
        const found = virtioFeatures(ours.port(`dpdk${port}`).features);
        expect(found.filter((name) => offloads.includes(name)).toSorted()).toEqual(mode.features.toSorted());
      }
      await testpmd.startForwarding();

      const counter = (port: string, name: string): number => ours.port(port).counters[name] ?? 0;
      /** Segments are frames that nobody sent. */
      const cut = (): number =>
        ports.reduce((sum, port) => sum + counter(port, 'rx_segments') - counter(port, 'rx_segmented'), 0);
      const count = async () => {
        const [one, other] = [await sender.frames(), await verifier.frames()];
        return { sent: one.sent + other.sent + cut(), received: one.received + other.received };
      };
      const lostByDrivers: Station = () =>
        Object.fromEntries(
          [sender, verifier].flatMap((end, index) =>
            Object.entries(end.losses).map(([name, value]) => [`driver.${kernels[index]}.${name}`, value]),
          ),
        );
      const before = await count();
      const ledger = await Ledger.open(switchStation(ours, ...ports), testpmdStation(testpmd), lostByDrivers);
      const shell = (command: string): Promise<string> =>
        verifier.run('busybox', 'sh', '-c', `cd ${directory.path} && { ${command}; }`);
      const wrong = await streams({ guest: { run: shell }, far: sender });
      const account = await ledger.balanced(async () => {
        const now = await count();
        return { sent: now.sent - before.sent, received: now.received - before.received };
      });
      let refused = 0;
      for (const end of [sender, verifier]) {
        refused += checksumErrors(await end.run('cat', '/proc/net/snmp', '/proc/net/netstat'));
      }
      row(`csum engine, ${mode.name}`, { ...account, corrupted: wrong + refused });
      expect({ wrong, refused }).toEqual({ wrong: 0, refused: 0 });
      expect({
        finished: counter('verifier', 'rx_finished') > 0,
        cut: counter('verifier', 'rx_segmented') > 0,
      }).toEqual(mode.done);
      expect(Object.keys(drops(ours.port('dpdk1').counters))).not.toContain('tx_drop_bad_header');
    },
    timeout,
  );
}
