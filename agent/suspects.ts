// SPDX-License-Identifier: Apache-2.0
//
// Things that look left over. One look can be wrong (a kubelet that has just started lists no pods yet), so a thing has
// to look the same in a later look, some time after the first one.

export class Suspects {
  readonly #since = new Map<string, number>();
  readonly #settleMillis: number;
  readonly #now: () => number;

  constructor(settleMillis: number, now: () => number) {
    this.#settleMillis = settleMillis;
    this.#now = now;
  }

  /** Takes what looks left over now; returns what has for long enough, and in an earlier call. Forgets all others. */
  confirm(keys: readonly string[]): Set<string> {
    const now = this.#now();
    const seen = new Set(keys);
    for (const key of this.#since.keys()) if (!seen.has(key)) this.#since.delete(key);
    const confirmed = keys.filter((key) => {
      const since = this.#since.get(key);
      if (since === undefined) this.#since.set(key, now);
      return since !== undefined && now - since >= this.#settleMillis;
    });
    return new Set(confirmed);
  }
}
