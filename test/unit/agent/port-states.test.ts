// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { PortStates } from '../../../agent/port-states.ts';

test('follows what a watch says: all ports, changes, removals', () => {
  const states = new PortStates();
  const none = { listening: 0, connecting: 0, handshake: 0, up: 0, other: 0 };
  const counts = () => Object.fromEntries(states.counts());
  expect(counts()).toEqual(none);
  states.replace(new Map(Object.entries({ a: 'listening', b: 'up' })));
  expect(counts()).toEqual({ ...none, listening: 1, up: 1 });
  states.change('a', 'up');
  states.change('c', 'frozen');
  expect(counts()).toEqual({ ...none, up: 2, other: 1 });
  states.change('a', undefined);
  expect(counts()).toEqual({ ...none, up: 1, other: 1 });
  states.replace(new Map([['d', 'connecting']]));
  expect(counts()).toEqual({ ...none, connecting: 1 });
  states.clear();
  expect(counts()).toEqual(none);
});
