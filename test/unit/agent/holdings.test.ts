// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { Holdings } from '../../../agent/holdings.ts';

const pod = (held: Readonly<Record<string, number>>) => ({
  namespace: 'a',
  name: 'b',
  devices: [],
  containers: [],
  held: new Map(Object.entries(held)),
});

test('adds up the devices of all pods, and knows nothing before it was shown any', () => {
  const holdings = new Holdings();
  expect(holdings.count('usvhost.io/port')).toBeUndefined();
  holdings.take([pod({ 'usvhost.io/port': 2, 'usvhost.io/shm-64Mi': 1 }), pod({ 'usvhost.io/port': 1 })]);
  expect(holdings.count('usvhost.io/port')).toBe(3);
  expect(holdings.count('usvhost.io/shm-64Mi')).toBe(1);
  expect(holdings.count('usvhost.io/hugepages-64Mi')).toBe(0);
  holdings.take([]);
  expect(holdings.count('usvhost.io/port')).toBe(0);
});
