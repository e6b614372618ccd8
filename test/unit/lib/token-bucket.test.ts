// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TokenBucket } from '../../../lib/token-bucket.ts';

test('gives a burst, then one in each time', () => {
  let now = 0;
  const bucket = new TokenBucket({ burst: 2, perSecond: 0.5, now: () => now });
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
  expect(bucket.wait()).toBe(2000);
  now = 1999;
  expect(bucket.take()).toBe(false);
  now = 2000;
  expect(bucket.wait()).toBe(0);
  expect([bucket.take(), bucket.take()]).toEqual([true, false]);
});

test('never gives more than the burst and what has come back, however it is asked, also by a clock that goes back', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -500, max: 2000 }), { maxLength: 200 }), (steps) => {
      let now = 0;
      let forward = 0;
      const bucket = new TokenBucket({ burst: 5, perSecond: 1, now: () => now });
      let taken = 0;
      for (const step of steps) {
        now += step;
        forward += Math.max(0, step);
        if (bucket.take()) taken++;
      }
      expect(taken).toBeLessThanOrEqual(5 + forward / 1000);
    }),
  );
});
