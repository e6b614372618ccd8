// SPDX-License-Identifier: Apache-2.0
//
// A clock that a test turns on. Sleepers wake in the order of their times.

import type { Clock } from '../../../../agent/kubernetes/clock.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  readonly #sleepers = new Set<Sleeper>();
  #now = Date.parse('2026-11-26T09:00:00Z');

  now(): number {
    return this.#now;
  }

  async sleep(millis: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const slept = Promise.withResolvers<void>();
    const sleeper = { at: this.#now + millis, wake: slept.resolve };
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', () => slept.resolve(), { once: true });
    await slept.promise;
    this.#sleepers.delete(sleeper);
  }

  /** Lets everything happen that is due without time. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async pass(millis: number): Promise<void> {
    const end = this.#now + millis;
    for (;;) {
      await this.settle();
      const [next] = [...this.#sleepers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#sleepers.delete(next);
      next.wake();
    }
    this.#now = end;
    await this.settle();
  }
}
