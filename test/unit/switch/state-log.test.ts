// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { SwitchEvent } from '../../../native/index.ts';
import { StateLog } from '../../../switch/state-log.ts';

interface Line {
  readonly port: string;
  readonly state: string;
  readonly reason: string;
  readonly changes?: number;
}

/** A log with a clock that stands still until it is set forward; what was to be done later is done then. */
function stage() {
  const lines: Line[] = [];
  let time = 0;
  const gone = new Set<object>();
  let later: { readonly call: () => void; readonly at: number }[] = [];
  const log = new StateLog({
    log: pino({ base: null }, { write: (text) => lines.push(JSON.parse(text)) }),
    now: () => time,
    later: (call, millis) => later.push({ call, at: time + millis }),
    isThere: (port) => !gone.has(port),
  });
  const pass = (millis: number): void => {
    const end = time + millis;
    for (;;) {
      const next = later.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      later = later.filter((each) => each !== next);
      time = next.at;
      next.call();
    }
    time = end;
  };
  return { lines, log, pass, gone, waiting: () => later.length };
}

const event = (port: string, state: SwitchEvent['state'], reason = ''): SwitchEvent => ({
  port,
  state,
  reason,
});

test('each change of a port that behaves is a line, at once', () => {
  const { lines, log } = stage();
  const port = {};
  for (const state of ['listening', 'handshake', 'up'] as const) log.changed(port, event('a', state));
  log.changed(port, event('a', 'listening', 'USV_RING: why'));
  expect(lines.map(({ state }) => state)).toEqual(['listening', 'handshake', 'up', 'listening']);
  expect(lines.at(-1)).toMatchObject({ port: 'a', reason: 'USV_RING: why' });
  expect(lines.some((line) => 'changes' in line)).toBe(false);
});

test('a port that changes without end has a hundred lines and two a second, and its last state is told', () => {
  const { lines, log, pass, waiting } = stage();
  const port = {};
  for (let i = 0; i < 50_000; i++) log.changed(port, event('a', i % 2 === 0 ? 'handshake' : 'up'));
  log.changed(port, event('a', 'listening', 'the end'));
  expect(lines).toHaveLength(100);
  // One call is waited for, not one a change.
  expect(waiting()).toBe(1);
  pass(1000);
  expect(lines).toHaveLength(101);
  expect(lines.at(-1)).toMatchObject({ state: 'listening', reason: 'the end', changes: 50_001 - 100 });
  expect(waiting()).toBe(0);
});

test('it takes no line from another port, nor from one of the same name that is made later', () => {
  const { lines, log } = stage();
  const evil = {};
  for (let i = 0; i < 1000; i++) log.changed(evil, event('a', 'up'));
  log.changed({}, event('b', 'up'));
  log.changed({}, event('a', 'listening'));
  expect(lines.slice(100).map(({ port }) => port)).toEqual(['b', 'a']);
});

test('of a port that is gone nothing is told any more', () => {
  const { lines, log, pass, gone } = stage();
  const port = {};
  for (let i = 0; i < 1000; i++) log.changed(port, event('a', 'up'));
  gone.add(port);
  pass(10_000);
  expect(lines).toHaveLength(100);
});
