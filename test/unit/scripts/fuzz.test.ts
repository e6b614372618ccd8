// SPDX-License-Identifier: Apache-2.0
//
// What `npm run fuzz` is asked for and how a target's end is judged; each target has its place in the documents and a small corpus.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseFuzzRequest } from '../../../scripts/fuzz.ts';
import { projectRoot } from '../../../scripts/main.ts';
import {
  fuzzArguments,
  fuzzLine,
  fuzzOutcome,
  fuzzTargets,
  parseExecutions,
} from '../../../scripts/suites/fuzz.ts';

describe('request', () => {
  const known = ['chains', 'messages'];

  test.each([
    [['chains'], {}, ['chains'], { seconds: 60 }],
    [['all'], { seconds: '5' }, known, { seconds: 5 }],
    [['messages'], { runs: '100000000' }, ['messages'], { runs: 100_000_000 }],
    [['all'], { runs: '7', seconds: '8' }, known, { runs: 7, seconds: 8 }],
  ])('%j %j', (words, values, targets, limits) => {
    expect(parseFuzzRequest(words, values, known)).toEqual({ targets, limits });
  });

  test.each([
    [[], {}],
    [['none'], {}],
    [['chains', 'messages'], {}],
    [['chains'], { seconds: '0' }],
    [['chains'], { seconds: '1.5' }],
    [['chains'], { seconds: '1e3' }],
    [['chains'], { runs: '-1' }],
    [['chains'], { runs: '99999999999999999999' }],
  ])('refuses %j %j', (words, values) => {
    expect(() => parseFuzzRequest(words, values, known)).toThrow('USV_USAGE');
  });
});

describe('arguments of libFuzzer', () => {
  const folders = { corpus: '/c', found: '/f' };

  test('limits are passed on, and what grows comes before what is committed', () => {
    const args = fuzzArguments({ seconds: 3, runs: 9 }, { ...folders, seeds: '/s' });
    expect(args).toEqual(expect.arrayContaining(['-max_total_time=3', '-runs=9', '-artifact_prefix=/f/']));
    expect(args.slice(-2)).toEqual(['/c', '/s']);
  });

  test('what is not limited has no argument', () => {
    const args = fuzzArguments({ runs: 9 }, folders).join(' ');
    expect(args).not.toContain('max_total_time');
    expect(fuzzArguments({ seconds: 9 }, folders).join(' ')).not.toContain('-runs');
  });
});

describe('outcome', () => {
  const end = '#12 DONE\nstat::number_of_executed_units: 1234567\nstat::average_exec_per_sec:     1000\n';

  test('passes with status 0 and executions', () => {
    expect(parseExecutions(end)).toBe(1_234_567);
    expect(fuzzOutcome(0, end)).toEqual({ passed: 1, failed: 0, skipped: {} });
    expect(fuzzLine('chains', 0, end, 60.2)).toBe('chains: passed, 1234567 executions in 60 s\n');
  });

  test.each([
    ['a finding', 77, end],
    ['no last lines', 0, '#2 INITED\n'],
    ['no execution', 0, 'stat::number_of_executed_units: 0\n'],
  ])('fails with %s', (_, code, output) => {
    expect(fuzzOutcome(code, output)).toEqual({ passed: 0, failed: 1, skipped: {} });
    expect(fuzzLine('chains', code, output, 1)).toContain(`chains: FAILED with status ${code}, `);
  });
});

describe('targets', () => {
  const corpora = join(projectRoot, 'native/fuzz/corpus');
  const security = readFileSync(join(projectRoot, 'docs/security.md'), 'utf8');

  test.each(fuzzTargets())('%s has a small corpus and stands in security.md', (target) => {
    const files = readdirSync(join(corpora, target));
    expect(files.length).toBeGreaterThan(0);
    expect(files.length).toBeLessThan(40);
    for (const file of files) expect(statSync(join(corpora, target, file)).size).toBeLessThanOrEqual(4096);
    expect(security).toContain(`\`${target}\``);
  });

  test('there is no corpus of a target that is none', () => {
    expect(readdirSync(corpora).toSorted()).toEqual(fuzzTargets());
  });
});
