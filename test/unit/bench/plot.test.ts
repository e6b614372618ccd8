// SPDX-License-Identifier: Apache-2.0
//
// The picture of a benchmark: every candidate with its number, bars in the proportion of their medians, and text that cannot leave its place.

import { expect, test } from '@jest/globals';
import type { BenchDocument } from '../../../bench/document.ts';
import { plotOf } from '../../../bench/plot.ts';

const document: BenchDocument = {
  machine: {
    cpu: 'a <CPU>',
    cpus: 2,
    memoryBytes: 1,
    kernel: '6.1',
    architecture: 'x64',
    node: 'v26',
    load: 0,
    hugepages: true,
  },
  date: '2026-01-02T03:04:05.000Z',
  seconds: 3,
  rounds: 5,
  cases: [
    {
      name: 'work',
      params: { size: 64 },
      unit: 'Mpps',
      better: 'higher',
      candidates: [
        { name: 'usvhost', runs: [9, 10, 20], median: 10, min: 9, max: 20 },
        { name: 'peer&co', runs: [5], median: 5, min: 5, max: 5 },
      ],
      ratio: { 'peer&co': 2 },
    },
    {
      name: 'nothing',
      params: {},
      unit: 'ms',
      better: 'lower',
      candidates: [{ name: 'usvhost', runs: [0], median: 0, min: 0, max: 0 }],
      ratio: {},
    },
  ],
  skipped: [],
};

test('shows each candidate as long as its median, on the scale of its case', () => {
  const plot = plotOf(document);
  const widths = [...plot.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
  // The largest run of all is what fills the width.
  expect(widths).toEqual([190, 95, 0]);
  expect(plot).toContain('work size=64, Mpps, more is better');
  expect(plot).toContain('5   ours: 2 ×');
  expect(plot).toContain('2026-01-02, a &#60;CPU&#62;, 2 CPUs');
});

test('says which side is better only of what is compared', () => {
  const cases = document.cases.map((each) => ({ ...each, ratio: {} }));
  const plot = plotOf({ ...document, cases });
  expect(plot).toContain('work size=64, Mpps<');
  expect(plot).toContain('nothing, ms, less is better<');
});

test('escapes what would be markup', () => {
  const plot = plotOf(document);
  expect(plot).toContain('peer&#38;co');
  expect(plot).not.toMatch(/<CPU>|&co/);
});
