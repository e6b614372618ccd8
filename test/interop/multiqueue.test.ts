// SPDX-License-Identifier: Apache-2.0
//
// DPDK's virtio-user with eight queue pairs at our switch: what comes to it is spread over its receive queues by flow, what it
// sends from eight queues arrives, frames of ours come back whole, and fewer queues after a stop of the port work as well.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { accountOf, echo, peerMac as manyMac, verifyingDriver } from './echo.ts';
import {
  Ledger,
  printedRows,
  restartedPortStation,
  restartedTestpmdStation,
  switchStation,
  testpmdStation,
} from './ledger.ts';
import { queueModes } from './queue-modes.ts';
import { restartPort } from './restarted-port.ts';

const row = printedRows();
const queues = 8;
const oneMac = '02:00:00:00:00:01';
const wanted = 20_000;

/** Frames by queue, of one direction, since the port was started. */
async function byQueue(testpmd: Testpmd, direction: 'rx' | 'tx'): Promise<number[]> {
  const text = await testpmd.command('show port xstats 0');
  const rows = text.matchAll(new RegExp(`^${direction}_q\\d+_good_packets: (\\d+)`, 'gm'));
  return [...rows].map(([, count]) => Number(count));
}

for (const { name: mode, devargs } of queueModes) {
  groupNeeds('dpdk-testpmd')(`eight queue pairs, ${mode}`, () => {
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
          devargs,
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
      ours.addPort('ours');
    }, 60_000);

    afterAll(async () => {
      for (const testpmd of started) await testpmd.stop();
      ours.close();
      directory.remove();
    });

    const frames = (port: string, counter: string): number => ours.port(port).counters[counter] ?? 0;
    /** Sends until so many frames have arrived, and prints what became of all. */
    const sendUntil = async (what: string, from: 'one' | 'many'): Promise<void> => {
      const to = from === 'one' ? 'many' : 'one';
      const [sender, receiver] = from === 'one' ? [one, many] : [many, one];
      const arrived = (): number => frames(to, 'rx_packets');
      await receiver.command('set fwd rxonly');
      await receiver.startForwarding();
      await sender.command('set fwd txonly');
      const before = { sent: frames(from, 'tx_packets'), received: arrived() };
      const ledger = await Ledger.open(switchStation(ours, from, to), testpmdStation(receiver));
      await sender.startForwarding();
      await eventually(arrived, (count) => count - before.received > wanted, `${wanted} frames`);
      const sent = (await sender.stopForwarding()).reduce((total, { txPackets }) => total + txPackets, 0);
      const account = await ledger.balanced(async () => ({
        sent,
        received: (await receiver.forwardStats()).reduce((total, { rxPackets }) => total + rxPackets, 0),
      }));
      row(`eight queue pairs, ${mode}, ${what}`, account);
      // What the switch has taken is what was sent: nothing is left in a queue that nobody looks at.
      expect(frames(from, 'tx_packets') - before.sent).toBe(sent);
      await receiver.stopForwarding();
    };

    test('many flows of one queue are spread over eight', async () => {
      await sendUntil('to all', 'one');
      const counts = await byQueue(many, 'rx');
      expect(counts).toHaveLength(queues);
      for (const count of counts) expect(count).toBeGreaterThan(0);
      expect(ours.port('many').lastError).toBe('');
      process.stdout.write(`eight queues, received by queue: ${counts.join(' ')}\n`);
    }, 60_000);

    test('eight queues are all sent from', async () => {
      await sendUntil('from all', 'many');
      const counts = await byQueue(many, 'tx');
      expect(counts).toHaveLength(queues);
      expect(Math.max(...counts)).toBeGreaterThan(0);
      process.stdout.write(`eight queues, sent by queue: ${counts.join(' ')}\n`);
    }, 60_000);

    test('frames come back whole', async () => {
      await many.command('set fwd macswap');
      await many.startForwarding();
      const account = await echo({
        path: ours.socket('ours'),
        queueSize: 256,
        size: 512,
        stations: [switchStation(ours, 'ours', 'many'), testpmdStation(many)],
        ready: () => ours.until('ours', 'up'),
      });
      row(`eight queue pairs, ${mode}, 512 B`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
    }, 60_000);

    test('traffic goes on when the port was stopped and started', async () => {
      const driver = verifyingDriver({ path: ours.socket('ours'), queueSize: 256, size: 512 });
      try {
        await driver.linkUp();
        await ours.until('ours', 'up');
        const stations = [
          switchStation(ours, 'ours', 'many'),
          restartedTestpmdStation(many),
          restartedPortStation(ours, 'many', many),
        ];
        const account = await accountOf(driver, stations, () => restartPort(many, driver));
        row(`eight queue pairs, ${mode}, port stopped and started`, account);
        expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
      } finally {
        driver.close();
      }
      await many.stopForwarding();
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
      await sendUntil('to two of them', 'one');
      const counts = await byQueue(many, 'rx');
      expect(counts).toHaveLength(2);
      for (const count of counts) expect(count).toBeGreaterThan(0);
    }, 60_000);
  });
}
