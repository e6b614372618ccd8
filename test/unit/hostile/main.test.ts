// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { parseRequest, summarize } from '../../../hostile/main.ts';
import { table } from '../../../hostile/table.ts';

const passed = { id: 'a/b', outcome: 'passed', millis: 1, failures: [] } as const;

test('plays everything unless told otherwise', () => {
  expect(parseRequest([])).toMatchObject({
    cases: table,
    json: false,
    list: false,
    print: false,
    asan: false,
  });
  expect(parseRequest(['--asan'])).toMatchObject({ cases: table, asan: true });
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
  [['--asan', '--socket', '/x']],
])('%p is wrong use', (args) => {
  expect(() => parseRequest(args)).toThrow('USV_USAGE');
});

test('a run without a failed case fails when the memory of the switch has grown beyond its bound', () => {
  const grown = (kib: number) =>
    summarize({ results: [passed], memory: { beforeKib: 1000, afterKib: 1000 + kib, boundKib: 24 } });
  expect(grown(24)).toMatchObject({ passed: 1, failed: 0, whole: [] });
  expect(grown(25)).toMatchObject({ passed: 1, failed: 1 });
});

test('a report of a sanitizer fails a run in which every case has passed', () => {
  const memory = { beforeKib: 1000, afterKib: 1000, boundKib: 24 };
  expect(summarize({ results: [passed], memory, report: '' })).toMatchObject({ failed: 0, whole: [] });
  const { failed, whole } = summarize({ results: [passed], memory, report: 'heap-buffer-overflow' });
  expect(failed).toBe(1);
  expect(whole.join()).toMatch('heap-buffer-overflow');
});
