// SPDX-License-Identifier: Apache-2.0
//
// Exponential backoff as a value: what to wait before the next attempt. It holds no timer, so it needs no clock.

export interface BackoffOptions {
  /** First delay in milliseconds. */
  readonly initialMillis: number;
  /** Largest delay in milliseconds. */
  readonly maxMillis: number;
}

export interface Backoff {
  /** The delay before the next attempt in milliseconds; each call doubles the one after it. */
  next(): number;
  /** After a success: the next delay is the first one again. */
  reset(): void;
}

export function createBackoff({ initialMillis, maxMillis }: BackoffOptions): Backoff {
  let delay = initialMillis;
  return {
    next() {
      const current = delay;
      delay = Math.min(delay * 2, maxMillis);
      return current;
    },
    reset() {
      delay = initialMillis;
    },
  };
}
