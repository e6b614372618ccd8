// SPDX-License-Identifier: Apache-2.0
//
// How many ports of the switch are in which state, from its stream of events.

import type { PortEvent__Output } from '../proto/gen/usvhost/switch/v1/PortEvent.ts';

/** What proto/switch.proto says a port can be in. */
const states = ['listening', 'connecting', 'handshake', 'up'] as const;

export class PortStates {
  readonly #states = new Map<string, string>();

  apply({ snapshot, changed, removed }: PortEvent__Output): void {
    if (snapshot) this.#states.clear();
    for (const { spec, state } of [...(snapshot?.ports ?? []), ...(changed?.port ? [changed.port] : [])]) {
      this.#states.set(spec?.name ?? '', state);
    }
    if (removed) this.#states.delete(removed);
  }

  /** Nothing is known any more: the stream has ended. */
  clear(): void {
    this.#states.clear();
  }

  /** Ports by state, every state of the protocol and `other` for what a newer switch may say. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>([...states, 'other'].map((state) => [state, 0]));
    for (const state of this.#states.values()) {
      const key = counts.has(state) ? state : 'other';
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  }
}
