// SPDX-License-Identifier: Apache-2.0
//
// Waits for counters, the one thing that changes without an event.

import { setTimeout as wait } from 'node:timers/promises';
import { usvFailure } from '../../lib/errors.ts';

interface EventuallyOptions {
  /** Default 10000. */
  readonly millis?: number;
  /** Between two looks. Default 5. */
  readonly stepMillis?: number;
}

/**
 * Looks until `accept` takes the value, and returns it.
 * @throws UsvhostError USV_HANDSHAKE with the last value when that does not happen in time
 */
export async function eventually<Value>(
  look: () => Value | Promise<Value>,
  accept: (value: Value) => boolean,
  what: string,
  options: EventuallyOptions = {},
): Promise<Value> {
  const { millis = 10_000, stepMillis = 5 } = options;
  const end = performance.now() + millis;
  for (;;) {
    const value = await look();
    if (accept(value)) return value;
    if (performance.now() > end) {
      throw usvFailure('USV_HANDSHAKE', `expected ${what} within ${millis} ms, got ${JSON.stringify(value)}`);
    }
    await wait(stepMillis);
  }
}
