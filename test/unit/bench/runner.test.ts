// SPDX-License-Identifier: Apache-2.0
//
// Statistics, ratios and the document of benchmarks, without a benchmark.

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { BenchCase, Candidate, RunContext } from '../../../bench/case.ts';
import { benchDocument, benchSchema } from '../../../bench/document.ts';
import { parseRequest } from '../../../bench/main.ts';
import { benchTable } from '../../../bench/report.ts';
import { runCases } from '../../../bench/runner.ts';
import { median, quantile } from '../../../bench/statistics.ts';

const machine = {
  cpu: 'a CPU',
  cpus: 2,
  memoryBytes: 1,
  kernel: '6.1',
  architecture: 'x64',
  node: 'v26',
  load: 0,
  hugepages: false,
};
const context: RunContext = {
  seconds: 1,
  firstCpu: 0,
  secondCpu: 1,
  hugepages: false,
  stop: new AbortController().signal,
  wait: () => Promise.resolve(),
};

/** A candidate that gives the values in turn, and writes down that it ran. */
function scripted(name: string, values: readonly number[], order: string[]): Candidate {
  let next = 0;
  return {
    name,
    needs: [],
    run: async () => {
      order.push(name);
      return { '': values[next++] ?? Number.NaN };
    },
  };
}

function caseOf(better: 'higher' | 'lower', candidates: readonly Candidate[]): BenchCase {
  return { name: 'work', params: { size: 64 }, metrics: [{ name: '', unit: 'u', better }], candidates };
}

test('median and quantiles lie between the nearest values', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(quantile([1, 2, 3, 4, 5], 0.99)).toBeCloseTo(4.96);
  expect(() => median([])).toThrow(RangeError);
});

test('candidates run in turn, and a ratio above 1 is ahead', async () => {
  const order: string[] = [];
  const higher = caseOf('higher', [scripted('us', [9, 10, 11], order), scripted('them', [5, 5, 5], order)]);
  const lower = caseOf('lower', [scripted('us', [2, 2, 2], order), scripted('them', [8, 8, 8], order)]);
  const { cases } = await runCases([higher, lower], { rounds: 3, context, onProgress: () => undefined });
  expect(order.slice(0, 6)).toEqual(['us', 'them', 'us', 'them', 'us', 'them']);
  expect(cases.map(({ ratio }) => ratio)).toEqual([{ them: 2 }, { them: 4 }]);
  expect(cases[0]?.candidates[0]).toEqual({ name: 'us', runs: [9, 10, 11], median: 10, min: 9, max: 11 });
});

test('a machine that becomes slow between two runs of a case changes no ratio of the other rounds', async () => {
  const each = caseOf('higher', [scripted('us', [10, 10, 2], []), scripted('them', [5, 1, 1], [])]);
  const { cases } = await runCases([each], { rounds: 3, context, onProgress: () => undefined });
  expect(cases[0]?.candidates.map(({ median: middle }) => middle)).toEqual([10, 1]);
  expect(cases[0]?.ratio).toEqual({ them: 2 });
});

test('an interrupted benchmark starts no other run', async () => {
  const stop = new AbortController();
  const order: string[] = [];
  const first: Candidate = { name: 'us', needs: [], run: async () => ({ '': order.push('us') }) };
  const onProgress = (): void => stop.abort(new Error('interrupted'));
  const interrupted = { ...context, stop: stop.signal };
  const run = runCases([caseOf('higher', [first])], { rounds: 3, context: interrupted, onProgress });
  await expect(run).rejects.toThrow('interrupted');
  expect(order).toEqual(['us']);
});

test('what runs share is made once before the first, and taken back whatever happens', async () => {
  const order: string[] = [];
  const prepare = async (): Promise<() => Promise<void>> => {
    order.push('made');
    return async () => void order.push('taken back');
  };
  const options = { rounds: 2, context, onProgress: () => undefined };
  await runCases([{ ...caseOf('higher', [scripted('us', [1, 1], order)]), prepare }], options);
  expect(order.splice(0)).toEqual(['made', 'us', 'us', 'taken back']);
  const broken: Candidate = { name: 'us', needs: [], run: async () => Promise.reject(new Error('broken')) };
  await expect(runCases([{ ...caseOf('higher', [broken]), prepare }], options)).rejects.toThrow('broken');
  expect(order).toEqual(['made', 'taken back']);
});

test('no ratio is formed of a metric in which neither more nor less is ahead', async () => {
  const order: string[] = [];
  const both = [scripted('us', [2], order), scripted('them', [8], order)];
  const metrics = [{ name: '', unit: 'u', better: 'lower', compared: false }] as const;
  const options = { rounds: 1, context, onProgress: () => undefined };
  const { cases } = await runCases([{ ...caseOf('lower', both), metrics }], options);
  expect(cases[0]?.ratio).toEqual({});
});

test('no ratio is formed with a part of the work, nor with a peer that measured nothing', async () => {
  const part: Candidate = { ...scripted('part', [20], []), partial: true };
  const each = caseOf('higher', [scripted('us', [1], []), part, scripted('still', [0], [])]);
  const { cases } = await runCases([each], { rounds: 1, context, onProgress: () => undefined });
  expect(cases[0]?.ratio).toEqual({});
});

test('the document keeps its schema and the table shows every candidate', async () => {
  const each = caseOf('higher', [scripted('us', [1.23456], []), scripted('them', [1], [])]);
  const result = await runCases([each], { rounds: 1, context, onProgress: () => undefined });
  const skipped = [{ case: 'work', candidate: 'gone', needs: ['dpdk-testpmd'], packages: ['dpdk-dev'] }];
  const document = { machine, date: new Date(0).toISOString(), seconds: 1, rounds: 1, ...result, skipped };
  expect(benchDocument.parse(document)).toEqual(document);
  const table = benchTable(document);
  expect(table).toContain('work size=64  us         u ↑    1.235');
  expect(table).toContain('gone skipped: needs dpdk-testpmd (apt-get install dpdk-dev)');
});

test('docs/bench.schema.json is the schema of the document', () => {
  expect(readFileSync('docs/bench.schema.json', 'utf8')).toBe(benchSchema());
});

test('the command line names its mistakes', () => {
  expect(parseRequest(['idle', '--seconds', '0.5', '--rounds', '2', '--json'])).toMatchObject({
    cases: [{ name: 'idle' }],
    json: true,
    seconds: 0.5,
    rounds: 2,
  });
  // What needs a cluster runs when it is named.
  const casesOf = (...args: string[]) => new Set(parseRequest(args).cases.map(({ name }) => name));
  expect(casesOf()).not.toContain('pods');
  expect(casesOf('pods')).toEqual(new Set(['pods']));
  expect(
    parseRequest(['switch-loop', '--where', 'size=64']).cases.map(({ params }) => params['size']),
  ).toEqual(expect.not.arrayContaining([1500]));
  expect(() => parseRequest(['nothing'])).toThrow(
    /expected one of driver-to-vhost, .* for a case, got "nothing"/,
  );
  expect(() => parseRequest(['--seconds', '0'])).toThrow(/USV_USAGE/);
  expect(() => parseRequest(['--rounds', '1.5'])).toThrow(/whole number/);
});
