// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { Suspects } from '../../../agent/suspects.ts';

test('only what looks left over twice, and for long enough, is confirmed', () => {
  let now = 0;
  const suspects = new Suspects(100, () => now);
  expect([...suspects.confirm(['a', 'b'])]).toEqual([]);
  now = 99;
  expect([...suspects.confirm(['a', 'b'])]).toEqual([]);
  now = 100;
  expect([...suspects.confirm(['a', 'c'])]).toEqual(['a']);
  now = 200;
  // b was well in between and starts anew.
  expect([...suspects.confirm(['b', 'c'])]).toEqual(['c']);
});

test('without a time to settle the second look confirms', () => {
  const suspects = new Suspects(0, () => 5);
  expect([...suspects.confirm(['a'])]).toEqual([]);
  expect([...suspects.confirm(['a'])]).toEqual(['a']);
});
