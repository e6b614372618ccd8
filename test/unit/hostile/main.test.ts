// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { parseRequest, summarize } from '../../../hostile/main.ts';
import { memoryBoundKib } from '../../../hostile/run.ts';
import { table } from '../../../hostile/table.ts';

test('plays everything unless told otherwise', () => {
  expect(parseRequest([])).toMatchObject({ cases: table, json: false, list: false, print: false });
});

test('filters by any of several texts, prints by the whole name', () => {
  const { cases } = parseRequest(['--filter', 'avail/', '--filter', 'head/', '--json']);
  expect(cases.length).toBeGreaterThan(10);
  expect(cases.every(({ id }) => id.startsWith('avail/') || id.startsWith('head/'))).toBe(true);
  expect(parseRequest(['--print', 'slow/silent']).cases.map(({ id }) => id)).toEqual(['slow/silent']);
});

test.each([
  [['--filter', 'no such case']],
  [['--print', 'slow']],
  [['--neighbour', '/x']],
  [['--what']],
  [['word']],
])('%p is wrong use', (args) => {
  expect(() => parseRequest(args)).toThrow('USV_USAGE');
});

test('a run without a failed case fails when the memory of the switch has grown beyond its bound', () => {
  const result = { id: 'a/b', outcome: 'passed', millis: 1, failures: [] } as const;
  const grown = (kib: number) =>
    summarize({ results: [result], memory: { beforeKib: 1000, afterKib: 1000 + kib } });
  expect(grown(memoryBoundKib)).toMatchObject({ passed: 1, failed: 0, leak: [] });
  expect(grown(memoryBoundKib + 1)).toMatchObject({ passed: 1, failed: 1 });
});
