// SPDX-License-Identifier: Apache-2.0
//
// Alerts and dashboard read only metrics that there are, by labels that they have.

import { describe, expect, test } from '@jest/globals';
import { agentMetricTable } from '../../../lib/agent-metrics.ts';
import type { MetricTable } from '../../../lib/metrics.ts';
import { webhookMetricTable } from '../../../lib/webhook-metrics.ts';
import { dashboard } from '../../../scripts/chart/dashboard.ts';
import { alertRules } from '../../support/alerts.ts';
import { readPromql } from '../../support/promql.ts';

/** By the scraper: the chart's monitors set job and node. */
const ofTargets = ['job', 'node', 'instance', 'namespace', 'pod'];

const ours: MetricTable = { ...agentMetricTable, ...webhookMetricTable };

/** Labels of a sample by its name, or undefined for one that nobody has. */
function labelsOf(sample: string): readonly string[] | undefined {
  // Prometheus itself, its client library (docs/metrics.md), and the API server.
  if (sample === 'up' || sample === 'process_start_time_seconds') return ofTargets;
  if (sample === 'process_cpu_seconds_total' || sample === 'process_resident_memory_bytes') return ofTargets;
  if (sample === 'apiserver_admission_webhook_fail_open_count') return ['name', 'type'];
  const metric = ours[sample];
  if (metric !== undefined && metric.kind !== 'histogram') return [...ofTargets, ...metric.labels];
  const [, base = '', suffix] = /^(.+)_(bucket|sum|count)$/.exec(sample) ?? [];
  const histogram = ours[base];
  if (histogram?.kind !== 'histogram') return undefined;
  return [...ofTargets, ...histogram.labels, ...(suffix === 'bucket' ? ['le'] : [])];
}

/** What is wrong with an expression, in words. */
function wrongIn(expression: string): string[] {
  const { selectors, grouped } = readPromql(expression);
  const strange = selectors.flatMap(({ metric, labels }) => {
    const known = labelsOf(metric);
    if (known === undefined) return [`no metric ${metric}`];
    return labels.filter((label) => !known.includes(label)).map((label) => `${metric} has no ${label}`);
  });
  // A label by which something is grouped is one of each metric there, or it would be empty.
  const unknown = grouped.filter((label) =>
    selectors.every(({ metric }) => labelsOf(metric)?.includes(label) !== true),
  );
  return [...strange, ...unknown.map((label) => `nothing has ${label}`)];
}

const panels = (dashboard() as any).panels as readonly {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}[];
const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
);

test.each(alertRules())('$alert', ({ expr, annotations }) => {
  expect(wrongIn(expr)).toEqual([]);
  const { grouped } = readPromql(expr);
  const said = [...annotations.description.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label);
  for (const label of said) expect(grouped).toContain(label);
});

describe('the dashboard', () => {
  test.each(queries)('$title: $legendFormat', ({ expr, legendFormat }) => {
    const plain = expr.replaceAll('$__rate_interval', '5m').replaceAll('$node', 'n1');
    expect(wrongIn(plain)).toEqual([]);
    for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
      expect(readPromql(plain).grouped).toContain(label);
  });

  test('shows every metric of ours but those that count the rare', () => {
    const shown = new Set(
      queries.flatMap(({ expr }) => [...expr.matchAll(/usvhost_\w+/g)].map(([name]) => name)),
    );
    const left = Object.entries(ours).filter(
      ([name, { kind }]) => !shown.has(kind === 'histogram' ? `${name}_bucket` : name),
    );
    expect(left.map(([name]) => name)).toEqual(['usvhost_kubelet_registrations_total']);
  });
});

test.each([
  ['usvhost_switch_port', 'no metric usvhost_switch_port'],
  ['usvhost_cni_call_duration_seconds', 'no metric usvhost_cni_call_duration_seconds'],
  ['sum by (pods) (usvhost_tombstones)', 'nothing has pods'],
  ['usvhost_tombstones{state="x"}', 'usvhost_tombstones has no state'],
  ['usvhost_tombstones{le="1"}', 'usvhost_tombstones has no le'],
])('%s is found out', (expression, says) => {
  expect(wrongIn(expression)).toEqual([says]);
});
