// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createBackoff } from '../../../lib/backoff.ts';

test('doubles up to its limit and starts again after a success', () => {
  const backoff = createBackoff({ initialMillis: 5, maxMillis: 30 });
  const take = (count: number): number[] => Array.from({ length: count }, () => backoff.next());
  expect(take(5)).toEqual([5, 10, 20, 30, 30]);
  backoff.reset();
  expect(take(2)).toEqual([5, 10]);
});

test('never leaves its limits and never shrinks', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1000, max: 100_000 }),
      (initialMillis, maxMillis) => {
        const backoff = createBackoff({ initialMillis, maxMillis });
        let before = 0;
        for (let round = 0; round < 100; round += 1) {
          const delay = backoff.next();
          expect(delay).toBeGreaterThanOrEqual(Math.max(before, initialMillis));
          expect(delay).toBeLessThanOrEqual(maxMillis);
          before = delay;
        }
        expect(before).toBe(maxMillis);
      },
    ),
  );
});
