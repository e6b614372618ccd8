// SPDX-License-Identifier: Apache-2.0
//
// DPDK's virtio-user with eight queue pairs at our switch: what comes to it is spread over its receive queues by flow, what it
// sends from eight queues arrives, and fewer queues after a stop of the port work as well. Where every frame is counted.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';

const queues = 8;
const manyMac = '02:00:00:00:00:08';
const oneMac = '02:00:00:00:00:01';
const wanted = 20_000;

/** Frames by queue, of one direction, since the port was started. */
async function byQueue(testpmd: Testpmd, direction: 'rx' | 'tx'): Promise<number[]> {
  const text = await testpmd.command('show port xstats 0');
  const rows = text.matchAll(new RegExp(`^${direction}_q\\d+_good_packets: (\\d+)`, 'gm'));
  return [...rows].map(([, count]) => Number(count));
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

for (const modes of [[], ['mrg_rxbuf=0'], ['in_order=0'], ['packed_vq=1']]) {
  groupNeeds('dpdk-testpmd')(`eight queues, ${modes.join(',') || 'default'}`, () => {
    const directory = privateDirectory();
    let ours: RunningSwitch;
    let one: Testpmd;
    let many: Testpmd;
    const started: Testpmd[] = [];

    beforeAll(async () => {
      ours = new RunningSwitch({ directory: directory.path });
      const start = async (name: string, mac: string, peer: string, count: number): Promise<Testpmd> => {
        const port = {
          kind: 'virtio-user',
          path: ours.addPort(name),
          mac,
          queueSize: 256,
          devargs: modes,
        } as const;
        const testpmd = await Testpmd.start({
          ports: [{ ...port, queues: count }],
          forward: 'rxonly',
          peerMacs: [peer],
          arguments: [`--rxq=${count}`, `--txq=${count}`, '--txonly-multi-flow'],
        });
        started.push(testpmd);
        await ours.until(name, 'up');
        return testpmd;
      };
      many = await start('many', manyMac, oneMac, queues);
      one = await start('one', oneMac, manyMac, 1);
    }, 60_000);

    afterAll(async () => {
      for (const testpmd of started) await testpmd.stop();
      ours.close();
      directory.remove();
    });

    const frames = (port: string, counter: string): number => ours.port(port).counters[counter] ?? 0;
    const sendUntil = async (sender: Testpmd, receiver: Testpmd, arrived: () => number): Promise<void> => {
      await receiver.command('set fwd rxonly');
      await receiver.startForwarding();
      await sender.command('set fwd txonly');
      const before = arrived();
      await sender.startForwarding();
      await eventually(arrived, (count) => count - before > wanted, `${wanted} frames`);
      await sender.stopForwarding();
      await receiver.stopForwarding();
    };

    test('many flows of one queue are spread over eight', async () => {
      await sendUntil(one, many, () => frames('many', 'rx_packets'));
      const counts = await byQueue(many, 'rx');
      expect(counts).toHaveLength(queues);
      for (const count of counts) expect(count).toBeGreaterThan(0);
      expect(ours.port('many').lastError).toBe('');
      process.stdout.write(`eight queues, received by queue: ${counts.join(' ')}\n`);
    }, 60_000);

    test('eight queues are all sent from', async () => {
      await sendUntil(many, one, () => frames('one', 'rx_packets'));
      const counts = await byQueue(many, 'tx');
      expect(counts).toHaveLength(queues);
      expect(Math.max(...counts)).toBeGreaterThan(0);
      // What the switch has taken is what was sent: nothing is left in a queue that nobody looks at.
      const taken = (): number => frames('many', 'tx_packets');
      await eventually(taken, (count) => count === sum(counts), `${sum(counts)} frames taken`);
      process.stdout.write(`eight queues, sent by queue: ${counts.join(' ')}\n`);
    }, 60_000);

    test('two queues after a stop of the port', async () => {
      for (const command of [
        'port stop 0',
        'port config all rxq 2',
        'port config all txq 2',
        'port start 0',
      ]) {
        await many.command(command);
      }
      await ours.until('many', 'up');
      await sendUntil(one, many, () => frames('many', 'rx_packets'));
      const counts = await byQueue(many, 'rx');
      expect(counts).toHaveLength(2);
      for (const count of counts) expect(count).toBeGreaterThan(0);
    }, 60_000);
  });
}
