// SPDX-License-Identifier: Apache-2.0
//
// How many ports of the switch are in which state, from what a watch of the switch says (agent/node-switch.ts).

/** What proto/switch.proto says a port can be in. */
const states = ['listening', 'connecting', 'handshake', 'up'] as const;

export class PortStates {
  readonly #states = new Map<string, string>();

  /** These are all ports, by name. */
  replace(ports: ReadonlyMap<string, string>): void {
    this.#states.clear();
    for (const [name, state] of ports) this.#states.set(name, state);
  }

  /** One port has come, changed, or, with an undefined state, gone. */
  change(name: string, state: string | undefined): void {
    if (state === undefined) this.#states.delete(name);
    else this.#states.set(name, state);
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
