// SPDX-License-Identifier: Apache-2.0
//
// DPDK on both sides of our switch: testpmd → switch → testpmd. A counted number of frames arrives in full; under
// overload every frame is delivered or under a named drop, and the counters of all three agree.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { Ledger, printedRows, switchStation, testpmdStation } from './ledger.ts';

const row = printedRows();
const senderMac = '02:00:00:00:00:01';
const receiverMac = '02:00:00:00:00:02';
const burst = 32;

groupNeeds('dpdk-testpmd')('testpmd to testpmd', () => {
  const directory = privateDirectory();
  const ours = { switch: undefined as RunningSwitch | undefined };
  const started: Testpmd[] = [];

  function running(): { readonly node: RunningSwitch; readonly sender: Testpmd; readonly receiver: Testpmd } {
    const [receiver, sender] = started;
    if (ours.switch === undefined || sender === undefined || receiver === undefined) {
      throw new Error('testpmd has not started');
    }
    return { node: ours.switch, sender, receiver };
  }

  beforeAll(async () => {
    const node = new RunningSwitch({ directory: directory.path });
    ours.switch = node;
    const port = (name: string, mac: string) =>
      ({ kind: 'virtio-user', path: node.addPort(name), mac, queueSize: 1024 }) as const;
    started.push(
      await Testpmd.start({ ports: [port('receiver', receiverMac)], forward: 'rxonly' }),
      await Testpmd.start({
        ports: [port('sender', senderMac)],
        forward: 'txonly',
        peerMacs: [receiverMac],
        frameSize: 128,
      }),
    );
    await node.until('receiver', 'up');
    await node.until('sender', 'up');
    await running().receiver.startForwarding();
  }, 60_000);

  afterAll(async () => {
    for (const testpmd of started) await testpmd.stop();
    ours.switch?.close();
    directory.remove();
  });

  test('a ring full of frames arrives', async () => {
    const { node, sender, receiver } = running();
    const bursts = 16;
    // rxonly after the first bursts: exactly so many frames are sent.
    await sender.command('set fwd rxonly');
    await sender.startForwarding(bursts);
    const received = async (): Promise<number> => (await receiver.forwardStats())[0]?.rxPackets ?? 0;
    await eventually(received, (count) => count >= bursts * burst, `${bursts * burst} frames`);
    await sender.stopForwarding();
    expect(await received()).toBe(bursts * burst);
    expect(node.port('sender').counters).toMatchObject({ tx_packets: bursts * burst });
    row('testpmd to testpmd, one ring', { sent: bursts * burst, received: await received(), losses: {} });
  });

  test('under overload every frame is delivered or has a name', async () => {
    const { node, sender, receiver } = running();
    const before = {
      sent: node.port('sender').counters['tx_packets'] ?? 0,
      received: (await receiver.forwardStats())[0]?.rxPackets ?? 0,
    };
    const ledger = await Ledger.open(switchStation(node, 'sender', 'receiver'), testpmdStation(receiver));
    await sender.command('set fwd txonly');
    await sender.startForwarding();
    const delivered = (): number => node.port('receiver').counters['rx_packets'] ?? 0;
    const target = delivered() + 50_000;
    await eventually(delivered, (count) => count >= target, `${target} frames delivered`);
    // What testpmd could not queue is its own loss and never reached us.
    const sent = (await sender.stopForwarding())[0]?.txPackets ?? 0;
    const forwarded = await eventually(
      async () => (await receiver.forwardStats())[0]?.rxPackets ?? 0,
      (count) => count === node.port('receiver').counters['rx_packets'],
      'as many frames as were delivered',
    );
    const received = forwarded - before.received;
    const account = await ledger.balanced(() => ({ sent, received }));
    expect((node.port('sender').counters['tx_packets'] ?? 0) - before.sent).toBe(sent);
    row('testpmd to testpmd, overload', account);
  });
});
