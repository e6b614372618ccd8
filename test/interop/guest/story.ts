// SPDX-License-Identifier: Apache-2.0
//
// A guest and a network namespace on two ports of our switch, and exact accounts of the frames between the two kernels. What
// the kernels' checksums refuse, and what does not have the right digest at the other end, counts as corrupted.

import { virtioFeatures } from '../../../lib/feature-names.ts';
import { checksumErrors } from '../../support/checksum-errors.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';
import { SwitchProcess } from '../../support/switch-process.ts';
import { type Account, Ledger, type Station } from '../ledger.ts';
import { FarEnd } from './far-end.ts';
import { Guest, type GuestInterface } from './guest.ts';

export const guestAddress = '10.0.0.2';
export const farAddress = '10.0.0.1';
const guestMac = '02:00:00:00:00:0b';

/** How a guest's interface is made, and that of the far end. */
export type GuestKind = Pick<GuestInterface, 'server' | 'properties' | 'queues'> & {
  /** Whether the far end leaves sums and segments to the switch, and takes frames without them. Default true. */
  readonly farOffloads?: boolean;
};

/** Without VLAN tag, at the MTU of both ends. */
const longestFrame = 1514;

export interface GuestAccount extends Account {
  readonly corrupted: number;
}

export class GuestStory {
  readonly #server: boolean;
  readonly switch: SwitchProcess;
  readonly #undo: (() => void | Promise<void>)[] = [];
  #guest: Guest | undefined;
  #far: FarEnd | undefined;

  private constructor(directory: PrivateDirectory, ours: SwitchProcess, server: boolean) {
    this.switch = ours;
    this.#server = server;
    this.#undo.push(
      () => directory.remove(),
      () => ours.close(),
    );
  }

  /** Returns when the two can reach each other. */
  static async start(kind: GuestKind = {}): Promise<GuestStory> {
    const directory = privateDirectory();
    const ours = await SwitchProcess.start(directory.path).catch((error: unknown) => {
      directory.remove();
      throw error;
    });
    const story = new GuestStory(directory, ours, kind.server ?? false);
    try {
      const { guest: socketPath, far } = await story.addPorts();
      const { farOffloads: offloads = true, ...made } = kind;
      const network = { ...made, socketPath, mac: guestMac };
      const booting = Guest.boot({ directory: directory.path, network, cpus: kind.queues ?? 1 });
      // One that does not boot fails below, and has ended.
      story.#undo.push(() => booting.then((guest) => guest.shutDown()).catch(() => undefined));
      story.#far = await FarEnd.start(far, `${farAddress}/24`, { offloads });
      story.#undo.push(() => story.far.close());
      story.#guest = await booting;
      await story.connected();
      return story;
    } catch (error) {
      await story.close();
      throw error;
    }
  }

  get guest(): Guest {
    if (this.#guest === undefined) throw new Error('no guest');
    return this.#guest;
  }

  get far(): FarEnd {
    if (this.#far === undefined) throw new Error('no far end');
    return this.#far;
  }

  async addPorts(): Promise<{ readonly guest: string; readonly far: string }> {
    return {
      guest: await this.switch.addPort('guest', { connect: this.#server }),
      far: await this.switch.addPort('far'),
    };
  }

  /** Gives the guest its address, and resolves when both ports are up. */
  async connected(): Promise<void> {
    await this.guest.run(`ip address replace ${guestAddress}/24 dev eth0; ip link set eth0 up`);
    for (const port of ['guest', 'far']) await this.switch.until(port, 'up');
    await this.far.linkUp();
  }

  /** Names of the features between guest and QEMU, and of those between QEMU and the switch. */
  async features(): Promise<{ readonly guest: readonly string[]; readonly switch: readonly string[] }> {
    const bits = (await this.guest.run('cat /sys/bus/virtio/devices/virtio*/features')).trim();
    const word = [...bits].reduce((sum, bit, index) => sum | (BigInt(bit) << BigInt(index)), 0n);
    return { guest: virtioFeatures(word), switch: virtioFeatures(await this.switch.until('guest', 'up')) };
  }

  /** Lets `act` move frames between the two, which returns how many pieces of content came out wrong. */
  async account(act: () => Promise<number | void>): Promise<GuestAccount> {
    const count = async (): Promise<readonly [number, number, number]> => {
      const [ours, theirs] = [await this.#guestFrames(), await this.far.frames()];
      const sent = ours.sent + theirs.sent + (await this.#cut());
      return [sent, ours.received + theirs.received, await this.#refused()];
    };
    const before = await count();
    const ledger = await Ledger.open(this.#station());
    const wrong = (await act()) ?? 0;
    let refused = 0;
    const { sent, received, losses } = await ledger.balanced(async () => {
      const [sent, received, corrupted] = await count();
      refused = corrupted - before[2];
      return { sent: sent - before[0], received: received - before[1] };
    });
    return { sent, received, losses, corrupted: wrong + refused };
  }

  /**
   * Whether frames longer than the MTU went through the switch while `act` ran: those that it took `from` the guest, or
   * delivered `to` it. True only if there were some; many short ones among them can hide them.
   */
  async sawLongFrames(direction: 'from' | 'to', act: () => Promise<void>): Promise<boolean> {
    const side = direction === 'from' ? 'tx' : 'rx';
    const count = async (): Promise<readonly [number, number]> => {
      const counters = await this.switch.counters('guest');
      return [counters[`${side}_packets`] ?? 0, counters[`${side}_bytes`] ?? 0];
    };
    const [packets, bytes] = await count();
    await act();
    const [packetsNow, bytesNow] = await count();
    return bytesNow - bytes > longestFrame * (packetsNow - packets);
  }

  async #guestFrames(): Promise<{ readonly sent: number; readonly received: number }> {
    const text = await this.guest.run('cd /sys/class/net/eth0/statistics && cat tx_packets rx_packets');
    const [sent = 0, received = 0] = text.split('\n').map(Number);
    return { sent, received };
  }

  /** Frames that the switch has made by cutting others: each segment but one of a frame is a frame that nobody sent. */
  async #cut(): Promise<number> {
    let more = 0;
    for (const port of ['guest', 'far']) {
      const { rx_segments: segments = 0, rx_segmented: frames = 0 } = await this.switch.counters(port);
      more += segments - frames;
    }
    return more;
  }

  /** What either kernel has found to have a wrong checksum. */
  async #refused(): Promise<number> {
    const files = ['/proc/net/snmp', '/proc/net/netstat'];
    const texts = [await this.guest.run(`cat ${files.join(' ')}`), await this.far.run('cat', ...files)];
    return texts.reduce((sum, text) => sum + checksumErrors(text), 0);
  }

  #station(): Station {
    return async () => {
      const found: [string, number][] = [];
      for (const port of ['guest', 'far']) {
        const lost = Object.entries(await this.switch.counters(port)).filter(([name]) =>
          name.includes('_drop_'),
        );
        found.push(...lost.map(([name, value]) => [`switch.${port}.${name}`, value] as [string, number]));
      }
      const driver = Object.entries(this.far.losses);
      return Object.fromEntries([...found, ...driver.map(([name, value]) => [`driver.${name}`, value])]);
    };
  }

  async close(): Promise<void> {
    for (const step of this.#undo.splice(0).reverse()) await step();
  }
}
