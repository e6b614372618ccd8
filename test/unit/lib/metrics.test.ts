// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { agentMetricTable } from '../../../lib/agent-metrics.ts';
import { Metrics, type MetricTable } from '../../../lib/metrics.ts';
import { readExposition, valueOf } from '../../support/exposition.ts';

const table = {
  a_total: { kind: 'counter', help: 'Counts.', labels: ['of'] },
  b: { kind: 'gauge', help: 'Reads.', labels: ['of'] },
  c_seconds: { kind: 'histogram', help: 'Times.', labels: [], buckets: [0.1, 1] },
} as const satisfies MetricTable;

test('counts, reads when somebody looks, and sorts into buckets', async () => {
  let value = 1;
  const metrics = new Metrics(table, { b: () => [{ labels: { of: 'x' }, value: value++ }] });
  metrics.count('a_total', { of: 'x' });
  metrics.count('a_total', { of: 'x' }, 2);
  for (const seconds of [0.05, 0.5, 5]) metrics.observe('c_seconds', {}, seconds);
  const first = await metrics.text();
  expect(valueOf(first, 'a_total', { of: 'x' })).toBe(3);
  expect(valueOf(first, 'b', { of: 'x' })).toBe(1);
  expect(valueOf(first, 'c_seconds_bucket', { le: '1' })).toBe(2);
  expect(valueOf(first, 'c_seconds_count')).toBe(3);
  expect(valueOf(await metrics.text(), 'b', { of: 'x' })).toBe(2);
});

test('a gauge forgets what its source no longer has, and registries know nothing of each other', async () => {
  let names = ['x', 'y'];
  const metrics = new Metrics(table, { b: () => names.map((of) => ({ labels: { of }, value: 1 })) });
  const other = new Metrics(table, { b: () => [] });
  other.count('a_total', { of: 'x' });
  expect(valueOf(await metrics.text(), 'b', { of: 'y' })).toBe(1);
  names = ['x'];
  const text = await metrics.text();
  expect(valueOf(text, 'b', { of: 'y' })).toBeUndefined();
  expect(valueOf(text, 'a_total', { of: 'x' })).toBeUndefined();
});

test('a label may have any characters', async () => {
  const metrics = new Metrics(table, { b: () => [{ labels: { of: 'a"b\\c\nd}e,f="' }, value: 1 }] });
  expect([...readExposition(await metrics.text()).keys()]).toEqual(['a_total', 'b', 'c_seconds']);
});

test('what a gauge throws is told to who asks', async () => {
  const metrics = new Metrics(table, {
    b: () => {
      throw new Error('gone');
    },
  });
  await expect(metrics.text()).rejects.toThrow('gone');
});

test.each(Object.entries<MetricTable[string]>(agentMetricTable))(
  '%s has the form of its kind',
  (name, metric) => {
    expect(name).toMatch(/^usvhost_[a-z_]+[a-z]$/);
    expect(name.endsWith('_total')).toBe(metric.kind === 'counter');
    // A moment is a gauge.
    expect(/(?<!_timestamp)_seconds$/.test(name)).toBe(metric.kind === 'histogram');
    expect(metric.help).toMatch(/^[A-Z0-9].*\.$/);
  },
);
