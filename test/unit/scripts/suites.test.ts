// SPDX-License-Identifier: Apache-2.0
//
// How results of suites are read and added up: a crash must never look like a success.

import { describe, expect, test } from '@jest/globals';
import { parseSummary } from '../../../scripts/suites/doctest.ts';
import { countReport } from '../../../scripts/suites/jest.ts';
import { addUp, requireEverything, summaryOf, withoutReason } from '../../../scripts/suites/outcome.ts';
import { groupsOf, parseRequest } from '../../../scripts/test.ts';

describe('doctest', () => {
  test('reads the summary line', () => {
    const line =
      '[doctest] test cases:   74 |   73 passed | 1 failed | 2 skipped\n[doctest] Status: FAILURE!\n';
    expect(parseSummary(`noise\n${line}`)).toEqual({
      passed: 73,
      failed: 1,
      skipped: { 'switched off in C++': 2 },
    });
  });

  test('a crash has no summary', () => {
    expect(parseSummary('[doctest] run with "--help" for options\nTEST CASE: x\n')).toBeUndefined();
  });
});

describe('jest', () => {
  const file = (status: string, ...tests: [string, string][]): object => ({
    status,
    assertionResults: tests.map(([fullName, state]) => ({ fullName, status: state })),
  });

  test('counts by state and by what is missing', () => {
    const name = 'forwards [skipped: needs dpdk-testpmd (apt-get install dpdk-dev)]';
    const testResults = [
      file('passed', ['a', 'passed'], [name, 'pending'], [`group ${name} inner`, 'pending'], ['c', 'todo']),
      file('failed', ['d', 'failed'], ['e', 'passed']),
    ];
    expect(countReport({ testResults })).toEqual({
      passed: 2,
      failed: 1,
      skipped: { 'needs dpdk-testpmd (apt-get install dpdk-dev)': 2, [withoutReason]: 1 },
    });
  });

  test('a file that does not load is a failure', () => {
    expect(countReport({ testResults: [file('failed')] }).failed).toBe(1);
  });

  test('another document is none', () => {
    expect(() => countReport({})).toThrow('testResults');
  });
});

describe('outcome', () => {
  const one = { passed: 3, failed: 0, skipped: { 'needs ping (apt-get install iputils-ping)': 1 } };
  const two = { passed: 4, failed: 1, skipped: { 'needs ping (apt-get install iputils-ping)': 2 } };

  test('adds up', () => {
    expect(addUp([one, two])).toEqual({
      passed: 7,
      failed: 1,
      skipped: { 'needs ping (apt-get install iputils-ping)': 3 },
    });
    expect(addUp([])).toEqual({ passed: 0, failed: 0, skipped: {} });
  });

  test('ends with the counts alone on the last line', () => {
    expect(summaryOf(addUp([]))).toBe('0 passed, 0 failed');
    expect(summaryOf(addUp([one, two])).split('\n')).toEqual([
      'Skipped:',
      '  needs ping (apt-get install iputils-ping): 3 tests',
      '7 passed, 1 failed, 3 skipped',
    ]);
  });

  test('with everything required a skip is a failure', () => {
    expect(requireEverything(one).failed).toBe(1);
  });
});

describe('request', () => {
  const usual = (): ['unit', 'native'] => ['unit', 'native'];

  test.each([
    [[], ['unit', 'native'], []],
    [['unit'], ['unit'], []],
    [
      ['unit', 'contract', 'cni', '-t', 'unit'],
      ['unit', 'contract'],
      ['cni', '-t', 'unit'],
    ],
    [['native', '--asan'], ['asan'], []],
    [['native', '--asan', '--tsan'], ['asan', 'tsan'], []],
    [
      ['-t', 'name'],
      ['unit', 'native'],
      ['-t', 'name'],
    ],
  ])('%j', (args, suites, rest) => {
    expect(parseRequest(args, usual)).toMatchObject({ suites, rest });
  });
});

describe('groups of suites', () => {
  test('random input runs beside the cluster, and what people do beside the node, each after what comes before both', () => {
    const groups = [['unit'], ['e2e', 'node'], ['fuzz', 'cluster']];
    expect(groupsOf(['unit', 'e2e', 'node', 'fuzz', 'cluster'])).toEqual(groups);
  });

  test('without the other each of them runs alone, in its place', () => {
    expect(groupsOf(['fuzz', 'unit'])).toEqual([['fuzz'], ['unit']]);
    expect(groupsOf(['node', 'unit', 'cluster'])).toEqual([['node'], ['unit'], ['cluster']]);
  });

  test('nothing runs twice or is lost', () => {
    expect(groupsOf(['node', 'unit', 'e2e'])).toEqual([['e2e', 'node'], ['unit']]);
  });
});
