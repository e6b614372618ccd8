// SPDX-License-Identifier: Apache-2.0
//
// A real Linux guest's virtio-net at our switch, and another kernel at its other port: guest → switch → our driver → tap and
// back, for each way in which the two sides find each other.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { groupNeeds } from '../support/need.ts';
import { type GuestMode, guestModes, offloads, ringFeatures } from './guest/modes.ts';
import { type GuestAccount, GuestStory } from './guest/story.ts';
import { iperf3, ping, pingFromEachCpu, streams } from './guest/transfers.ts';
import { printedRows } from './ledger.ts';

const row = printedRows();
const timeout = 180_000;

for (const mode of guestModes) {
  const { name, kind, features, offloads: wanted = offloads, cutFor, stories } = mode;
  const { queues = 1 } = kind;
  groupNeeds(
    ...([
      'qemu-system-x86_64',
      'a kernel for guests',
      'busybox',
      'iperf3',
      'ip',
      'unshare',
      'nsenter',
    ] as const),
  )(`guest, ${name}`, () => {
    let stage: GuestStory;
    const undo: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      stage = await GuestStory.start(kind);
      undo.push(() => stage.close());
    }, timeout);

    afterAll(async () => {
      for (const step of undo) await step();
    }, timeout);

    async function whole(what: string, act: () => Promise<number | void>): Promise<GuestAccount> {
      const account = await stage.account(act);
      row(`guest ${name}, ${what}`, account);
      expect(account.corrupted).toBe(0);
      return account;
    }

    function story(which: GuestMode['stories'][number], title: string, act: () => Promise<void>): void {
      if (stories.includes(which)) test(title, act, timeout);
    }

    test('negotiates what the mode says', async () => {
      const found = await stage.features();
      for (const side of [found.guest, found.switch]) {
        expect(side).toContain('VERSION_1');
        expect(side.filter((feature) => ringFeatures.includes(feature))).toEqual(features);
        expect(side.filter((feature) => offloads.includes(feature)).toSorted()).toEqual(wanted.toSorted());
      }
    });

    test('ping of every size', () => whole('ping', () => ping(stage)), timeout);
    test('streams', () => whole('TCP content', () => streams(stage)), timeout);

    for (const direction of ['from', 'to'] as const) {
      const [sender, receiver] = direction === 'from' ? ['guest', 'far'] : ['far', 'guest'];
      /** A sender that makes long frames, to a receiver that takes them or not. */
      const sends = direction === 'from' ? wanted.length > 0 : kind.farOffloads !== false;
      const cut = cutFor === receiver;
      const what = sends ? (cut ? 'long frames, which are cut' : 'long frames') : 'frames of one segment';
      test(
        `iperf3 ${direction} the guest: ${what}`,
        async () => {
          const before = await stage.switch.counters(receiver);
          let long = false;
          await whole(`iperf3 ${direction} the guest`, async () => {
            long = await stage.sawLongFrames(direction, () => iperf3(stage, direction, 4 * queues));
          });
          const { tx_drop_bad_header: bad, tx_drop_gso: unknown } = await stage.switch.counters(sender);
          expect([bad, unknown]).toEqual([0, 0]);
          const { rx_segmented: frames = 0, rx_segments: segments = 0 } =
            await stage.switch.counters(receiver);
          const newly = [
            frames - (before['rx_segmented'] ?? 0),
            segments - (before['rx_segments'] ?? 0),
          ] as const;
          expect({ cut: newly[0] > 0, more: newly[1] > newly[0] }).toEqual({
            cut: sends && cut,
            more: sends && cut,
          });
          // Those that are cut have their length only on the sender's side.
          expect(long).toBe(sends && !(cut && direction === 'to'));
        },
        timeout,
      );
    }

    if (queues > 1) {
      test(
        'each queue pair is used',
        () => whole('ping from each CPU', () => pingFromEachCpu(stage, queues)),
        timeout,
      );
    }

    async function bindAgain(): Promise<void> {
      const at = '/sys/bus/virtio/drivers/virtio_net';
      await stage.guest.run(`for device in ${at}/virtio*; do echo "\${device##*/}" >/tmp/device; done`);
      await stage.guest.run(`cat /tmp/device >${at}/unbind && cat /tmp/device >${at}/bind`);
      await stage.connected();
    }

    async function killSwitch(): Promise<void> {
      await stage.switch.kill();
      await stage.switch.startAgain();
      await stage.addPorts();
      await stage.connected();
    }

    story('bind', 'the driver is unbound and bound again', async () => {
      await bindAgain();
      await whole('driver unbound and bound', () => ping(stage));
    });

    story('boot', 'the guest boots again', async () => {
      await stage.guest.reboot();
      await stage.connected();
      await whole('booted again', () => ping(stage));
    });

    story('kill', 'the switch is killed and started again', async () => {
      await killSwitch();
      await whole('switch killed and back', () => streams(stage));
    });

    story('kill and bind', 'the switch is killed and started again, and the driver bound again', async () => {
      await killSwitch();
      await bindAgain();
      await whole('switch killed and back, driver bound', () => streams(stage));
    });
  });
}
