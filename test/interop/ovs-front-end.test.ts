// SPDX-License-Identifier: Apache-2.0
//
// Open vSwitch with DPDK as front-end of our switch: two of its ports are virtio-user devices in two networks of ours, and its
// bridge joins them. Our driver → our switch → Open vSwitch → our switch → our driver, which swaps the addresses, and back.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import { needs } from '../support/need.ts';
import { RunningOvs } from '../support/ovs.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningDriver, RunningSwitch } from '../support/running.ts';
import { exchange, tallyOf, verifyingDriver, wantedFrames } from './echo.ts';
import { printedRows } from './ledger.ts';
import { ovsFrontEndModes } from './ovs-front-end-modes.ts';

const row = printedRows();
const test = needs('ovs-vswitchd-dpdk', 'unshare');
const timeout = 180_000;
const queueSize = 256;
const bridge = 'br-usvhost';
const undo: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
}, timeout);

for (const { name, devargs } of ovsFrontEndModes) {
  test(
    `Open vSwitch as front-end, ${name}: frames come back whole, and again after its port was taken away and added`,
    async () => {
      const directory = privateDirectory();
      undo.push(() => directory.remove());
      const ours = new RunningSwitch({ directory: directory.path });
      undo.push(() => ours.close());
      for (const [port, network] of [
        ['sender', 'left'],
        ['ovs0', 'left'],
        ['ovs1', 'right'],
        ['echo', 'right'],
      ] as const) {
        ours.addPort(port, { network });
      }
      const ovsDirectory = join(directory.path, 'ovs');
      mkdirSync(ovsDirectory);
      const ovs = await RunningOvs.start(ovsDirectory, { bridge });
      undo.push(() => ovs.close());
      const addPort = async (port: 'ovs0' | 'ovs1', device: string): Promise<void> => {
        const words = [device, `path=${ours.socket(port)}`, `queue_size=${queueSize}`, ...devargs];
        await ovs.ctl(
          ...['add-port', bridge, port, '--', 'set', 'Interface', port, 'type=dpdk'],
          `options:dpdk-devargs="${words.join(',')}"`,
        );
        await ours.until(port, 'up');
      };
      await addPort('ovs0', 'net_virtio_user0');
      await addPort('ovs1', 'net_virtio_user1');
      const echoing = new RunningDriver({
        ...{ path: ours.socket('echo'), queueSize },
        engine: { kind: 'l2fwd', mode: 'swap' },
      });
      undo.push(() => echoing.close());
      const sender = verifyingDriver({ path: ours.socket('sender'), queueSize, size: 512 });
      undo.push(() => sender.close());
      await echoing.linkUp();
      await sender.linkUp();

      const whole = async (what: string, act: () => Promise<void>): Promise<void> => {
        const account = await tallyOf(sender, 'ovs.not_returned', act);
        row(`Open vSwitch as front-end, ${name}, ${what}`, account);
        expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
      };
      await whole('512 B', () => exchange(sender, wantedFrames));
      await whole('port taken away and added', async () => {
        sender.setRunning(true);
        await ovs.ctl('del-port', bridge, 'ovs0');
        await ours.until('ovs0', 'listening');
        await addPort('ovs0', 'net_virtio_user2');
        await exchange(sender, wantedFrames);
      });
    },
    timeout,
  );
}
