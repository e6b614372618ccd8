// SPDX-License-Identifier: Apache-2.0
//
// The alerts of the chart, judged by Prometheus's own promtool: each fires in its story, with the words that a person reads, and
// in the other one it does not.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { stringify } from 'yaml';
import * as z from 'zod';
import { dashboard } from '../../../scripts/chart/dashboard.ts';
import { projectRoot } from '../../../scripts/main.ts';
import { findProgram } from '../../../scripts/packages.ts';
import { alertRules, rulesFile } from '../../support/alerts.ts';
import { needs } from '../../support/need.ts';
import { type AlertCase, alertCases } from './alert-cases.ts';

const test = needs('promtool');
const rules = alertRules();
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'usv-alerts-'));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What promtool says; a test that fails is a rejection with its words. */
async function promtool(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(findProgram('promtool') ?? 'promtool', [...args]);
  return stdout;
}

const inputOf = (series: AlertCase['fires']): object[] =>
  Object.entries(series).map(([name, values]) => ({ series: name, values }));

/** One story: `expected` are the labels and the description of each alert of that name. */
function story(
  name: string,
  { minutes, series, expected }: { minutes: number; series: AlertCase['fires']; expected: readonly object[] },
): object {
  return {
    interval: '1m',
    input_series: inputOf(series),
    alert_rule_test: [{ eval_time: `${minutes}m`, alertname: name, exp_alerts: expected }],
  };
}

async function judge(tests: readonly object[]): Promise<string> {
  const file = join(directory, 'stories.yaml');
  writeFileSync(file, stringify({ rule_files: [rulesFile], evaluation_interval: '1m', tests }));
  return promtool('test', 'rules', file);
}

test('promtool check rules finds nothing', async () => {
  expect(await promtool('check', 'rules', '--lint-fatal', rulesFile)).toContain(
    `${rules.length} rules found`,
  );
});

test('each alert has its stories, and no story is of another', () => {
  expect(Object.keys(alertCases).sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

for (const { alert, annotations, labels } of rules) {
  const found = alertCases[alert];
  if (found === undefined) continue; // the test above says so
  const fired = {
    exp_labels: { ...found.labels, ...labels },
    exp_annotations: { ...annotations, description: found.says },
  };

  test(`${alert} fires, and says what it has seen`, async () => {
    await judge([story(alert, { minutes: found.minutes, series: found.fires, expected: [fired] })]);
  });

  test(`${alert} keeps quiet`, async () => {
    await judge([story(alert, { minutes: found.minutes, series: found.quiet, expected: [] })]);
  });
}

test('a story that is told wrong fails', async () => {
  const name = 'UsvhostSwitchDown';
  const found = alertCases[name];
  if (found === undefined) throw new Error('no story');
  const wrong = story(name, { minutes: found.minutes, series: found.fires, expected: [] });
  await expect(judge([wrong])).rejects.toThrow(/FAILED/);
});

test('the scrape configuration of docs/operations.md is one of Prometheus, with the rules as they are', async () => {
  const page = readFileSync(join(projectRoot, 'docs/operations.md'), 'utf8');
  const [, example = ''] = /```yaml\n(scrape_configs:\n[^`]+)```/.exec(page) ?? [];
  const file = join(directory, 'prometheus.yaml');
  // Debian builds Prometheus without the discovery of Kubernetes; the rest of the file is judged.
  const judged = example
    .replace(/kubernetes_sd_configs: &pods\n.*\n/, 'static_configs: &pods [{ targets: ["10.0.0.1:9808"] }]\n')
    .replace('kubernetes_sd_configs: *pods', 'static_configs: *pods');
  expect(judged).not.toContain('kubernetes_sd');
  writeFileSync(file, `${judged}rule_files: [${rulesFile}]\n`);
  expect(await promtool('check', 'config', file)).toContain(`${rules.length} rules found`);
  for (const job of ['usvhost-agent', 'usvhost-webhook']) expect(example).toContain(`job_name: ${job}\n`);
  expect(example).toContain('target_label: node');
});

test('every query of the dashboard is one for Prometheus', async () => {
  const { panels } = z
    .object({ panels: z.array(z.object({ targets: z.array(z.object({ expr: z.string() })).optional() })) })
    .parse(dashboard());
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const rulesOf = expressions.map((expr, index) => ({
    record: `query_${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$node', '.*'),
  }));
  const file = join(directory, 'queries.yaml');
  writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules: rulesOf }] }));
  expect(await promtool('check', 'rules', file)).toContain(`${expressions.length} rules found`);
});
