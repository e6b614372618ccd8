// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { PortStates } from '../../../agent/port-states.ts';
import type { Port__Output } from '../../../proto/gen/usvhost/switch/v1/Port.ts';

const port = (name: string, state: string): Port__Output => ({
  spec: { name, mac: '', mtu: 1500, uid: 0, gid: 0, socket_mode: 0, role: 'listen' },
  socket_path: '',
  state,
  features: '0',
  last_error: '',
  connections: '0',
  counters: {},
});

test('follows a snapshot, changes and removals', () => {
  const states = new PortStates();
  const none = { listening: 0, connecting: 0, handshake: 0, up: 0, other: 0 };
  const counts = () => Object.fromEntries(states.counts());
  expect(counts()).toEqual(none);
  states.apply({ snapshot: { ports: [port('a', 'listening'), port('b', 'up')] } });
  expect(counts()).toEqual({ ...none, listening: 1, up: 1 });
  states.apply({ changed: { port: port('a', 'up'), reason: '' } });
  states.apply({ changed: { port: port('c', 'frozen'), reason: '' } });
  expect(counts()).toEqual({ ...none, up: 2, other: 1 });
  states.apply({ removed: 'a' });
  expect(counts()).toEqual({ ...none, up: 1, other: 1 });
  states.apply({ snapshot: { ports: [port('d', 'connecting')] } });
  expect(counts()).toEqual({ ...none, connecting: 1 });
  states.clear();
  expect(counts()).toEqual(none);
});
