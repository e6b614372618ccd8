// SPDX-License-Identifier: Apache-2.0
//
// What the sources of the loop cases are asked for, and the comparison of what both sides have counted.

import { expect, test } from '@jest/globals';
import { framesArgument } from '../../../bench/own-source.ts';
import { compareCounts } from '../../../bench/source.ts';

const mix = [
  { bytes: 64, parts: 19 },
  { bytes: 570, parts: 10 },
  { bytes: 1518, parts: 3 },
];

test('our frames are fewer than a ring takes, each kind with its part of them', () => {
  expect(framesArgument({ frames: [{ bytes: 64, parts: 1 }], ringSize: 256 })).toBe('64x192');
  expect(framesArgument({ frames: [{ bytes: 1500, parts: 1 }], ringSize: 4096 })).toBe('1500x512');
  expect(framesArgument({ frames: mix, ringSize: 1024 })).toBe('64x304,570x160,1518x48');
});

test('a frame that only one of the two has counted is an error', () => {
  const counts = [
    { sent: 10, received: 7 },
    { sent: 7, received: 10 },
  ];
  const values = { '': 1 };
  expect(() => compareCounts({ values, counts }, counts)).not.toThrow();
  const [first = { sent: 0, received: 0 }] = counts;
  const other = [first, { sent: 7, received: 9 }];
  expect(() => compareCounts({ values, counts }, other)).toThrow(
    '10 sent and 7 received, 7 sent and 10 received), got 10 sent and 7 received, 7 sent and 9 received',
  );
  expect(() => compareCounts({ values, counts }, [first])).toThrow('USV_INTERNAL');
  // A source that cannot tell is not compared with.
  expect(() => compareCounts({ values }, other)).not.toThrow();
});
