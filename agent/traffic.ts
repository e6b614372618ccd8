// SPDX-License-Identifier: Apache-2.0
//
// What all ports of the node count together, as numbers that only grow although ports come and go. It remembers the last look
// and tells what has come since; who adds that up is not its business.

import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { PortCounters } from './node-switch.ts';

/** What was counted between two looks, by counter; the names that ports have are all there, also with 0. */
export type Counted = ReadonlyMap<string, number>;

export interface TrafficOptions {
  /** Counters of each port that is there. Throws USV_SWITCH_UNREACHABLE, USV_OVS. */
  readonly read: () => Promise<ReadonlyMap<string, PortCounters>>;
  readonly log: Logger;
}

export class Traffic {
  readonly #options: TrafficOptions;
  #before: ReadonlyMap<string, PortCounters> | undefined;
  #looking: Promise<Counted> | undefined;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  /**
   * What has been counted since the look before; nothing at the first one, which cannot know what was told already by an agent
   * before this one, and nothing while the switch does not answer. Whoever asks during a look gets 0 after it.
   */
  async look(): Promise<Counted> {
    // Two at once could come back in the other order, and counters would seem to go back.
    if (this.#looking !== undefined) {
      await this.#looking;
      return new Map();
    }
    this.#looking = this.#look();
    try {
      return await this.#looking;
    } finally {
      this.#looking = undefined;
    }
  }

  async #look(): Promise<Counted> {
    const { read, log } = this.#options;
    try {
      const now = await read();
      const counted = since(now, this.#before ?? now);
      this.#before = now;
      return counted;
    } catch (error) {
      // Another gauge says that the switch is away.
      if (error instanceof UsvhostError) log.debug({ err: error }, 'the counters of the ports were not read');
      else log.error({ err: error }, 'the counters of the ports were not read');
      return new Map();
    }
  }
}

function since(
  now: ReadonlyMap<string, PortCounters>,
  before: ReadonlyMap<string, PortCounters>,
): Map<string, number> {
  const counted = new Map<string, number>();
  for (const [port, counters] of now) {
    const known = before.get(port) ?? {};
    // A counter that went back is of a new port with that name, or of a switch that has restarted.
    const anew = Object.entries(counters).some(([name, value]) => Number(value) < Number(known[name] ?? 0));
    for (const [name, value] of Object.entries(counters)) {
      const more = Number(value) - (anew ? 0 : Number(known[name] ?? 0));
      counted.set(name, (counted.get(name) ?? 0) + more);
    }
  }
  return counted;
}
