// SPDX-License-Identifier: Apache-2.0
//
// The verdict fails for each thing that must not happen, one by one.

import { expect, test } from '@jest/globals';
import { either, ends, stays } from '../../../hostile/case.ts';
import { judge, type Observation, type PortLine } from '../../../hostile/observation.ts';

const ring = 'USV_RING: expected an avail entry below the queue size, got one beyond';
const line = (port: string, state: string, reason = ''): PortLine => ({ port, state, reason });

const quiet: Observation = {
  failedStep: '',
  failedAfterwards: '',
  lines: [
    line('attacker', 'listening'),
    line('attacker', 'handshake'),
    line('attacker', 'up'),
    line('neighbour', 'handshake'),
    line('neighbour', 'listening', 'the front-end disconnected'),
    line('attacker', 'listening', 'the front-end disconnected'),
  ],
  lastError: '',
  switchRuns: true,
  before: { descriptors: 30, mappings: 0, threads: 12 },
  after: { descriptors: 30, mappings: 0, threads: 12 },
  canaryBefore: { sent: 100, received: 100, drops: 0, connections: 2 },
  canaryAfter: { sent: 140, received: 140, drops: 0, connections: 2 },
};
const ended: Observation = {
  ...quiet,
  lines: [line('attacker', 'handshake'), line('attacker', 'listening', ring)],
  lastError: ring,
};

test('passes when all went as it should', () => {
  expect(judge(stays, quiet)).toEqual([]);
  expect(judge(ends('USV_RING'), ended)).toEqual([]);
  expect(judge(ends('USV_RING', 'avail entry'), ended)).toEqual([]);
  expect(judge(either('USV_RING'), quiet)).toEqual([]);
  expect(judge(either('USV_RING'), ended)).toEqual([]);
});

test('a second connection that was refused is no end of the first', () => {
  const busy = 'USV_PORT_BUSY: expected one connection to the port, got a second one, which was closed';
  const seen = { ...quiet, lines: [...quiet.lines, line('attacker', 'up', busy)], lastError: busy };
  expect(judge(stays, seen)).toEqual([]);
});

const failures: readonly (readonly [string, Parameters<typeof judge>[0], Observation, RegExp])[] = [
  ['a port that did not end', ends('USV_RING'), quiet, /got none/],
  ['a port that ended for another reason', ends('USV_REGION'), ended, /USV_REGION only, got USV_RING/],
  ['the right code for another reason', ends('USV_RING', 'a loop'), ended, /says "a loop"/],
  ['a port that should have stayed', stays, ended, /goes on, got USV_RING/],
  ['a code that is none of the allowed ones', either('USV_REGION'), ended, /got USV_RING/],
  [
    'an end that only the last error tells of',
    stays,
    { ...quiet, lastError: 'USV_MESSAGE: something' },
    /got USV_MESSAGE/,
  ],
  ['a step of the script', stays, { ...quiet, failedStep: 'line 3: alive a: no' }, /line 3/],
  ['the switch', stays, { ...quiet, switchRuns: false }, /a switch that lives/],
  ['the port afterwards', stays, { ...quiet, failedAfterwards: 'line 1: connect' }, /used again/],
  [
    'a neighbour that was ended',
    stays,
    { ...quiet, lines: [...quiet.lines, line('neighbour', 'listening', ring)] },
    /nothing of port neighbour/,
  ],
  [
    'a canary that was ended',
    stays,
    { ...quiet, lines: [...quiet.lines, line('canary-a', 'listening', ring)] },
    /nothing of port canary-a/,
  ],
  [
    'a lost ping',
    stays,
    { ...quiet, canaryAfter: { ...quiet.canaryAfter, received: 139 } },
    /lost frame.*got 1/,
  ],
  ['a canary that fell silent', stays, { ...quiet, canaryAfter: quiet.canaryBefore }, /silence/],
  [
    'a frame of the canary that was dropped',
    stays,
    { ...quiet, canaryAfter: { ...quiet.canaryAfter, drops: 1 } },
    /dropped/,
  ],
  [
    'a canary that connected again',
    stays,
    { ...quiet, canaryAfter: { ...quiet.canaryAfter, connections: 3 } },
    /keep its connections/,
  ],
  [
    'a descriptor that stays',
    stays,
    { ...quiet, after: { ...quiet.after, descriptors: 31 } },
    /30 descriptors.*31/,
  ],
  ['memory that stays', stays, { ...quiet, after: { ...quiet.after, mappings: 1 } }, /0 mappings.*got 1/],
  ['a thread that is gone', stays, { ...quiet, after: { ...quiet.after, threads: 11 } }, /12 threads.*11/],
];

test.each(failures)('fails for %s', (_, expected, seen, words) => {
  const found = judge(expected, seen);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(words);
});

test('a ping that was lost in an earlier case is not lost again', () => {
  const canaryBefore = { ...quiet.canaryBefore, received: 99 };
  const canaryAfter = { ...quiet.canaryAfter, received: 139 };
  expect(judge(stays, { ...quiet, canaryBefore, canaryAfter })).toEqual([]);
});
