// SPDX-License-Identifier: Apache-2.0
//
// docs/metrics.md from the tables of metrics.

import { agentMetricTable } from '../../lib/agent-metrics.ts';
import type { MetricTable } from '../../lib/metrics.ts';
import { webhookMetricTable } from '../../lib/webhook-metrics.ts';
import { generatedNote, type Output } from './output.ts';

const intro = `# Metrics

${generatedNote('lib/agent-metrics.ts`, `lib/webhook-metrics.ts')}

Beside these there are those of the process, \`process_*\` and \`nodejs_*\`, as Prometheus's client library has them. No label
has the name of a pod, a namespace, a container or a port, so the number of series does not grow with what runs.
`;

function section(title: string, reach: string, table: MetricTable): string {
  const rows = Object.entries(table).map(([name, { kind, labels, help }]) => {
    const labelled = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${kind} | ${labelled} | ${help} |\n`;
  });
  return `
## ${title}

How to reach them: [${reach}](${reach}#metrics-health-and-readiness).

| metric | kind | labels | meaning |
|---|---|---|---|
${rows.join('')}`;
}

export async function generate(): Promise<readonly Output[]> {
  const agent = section('Agent', 'node-agent.md', agentMetricTable);
  const webhook = section('Webhook', 'webhook.md', webhookMetricTable);
  return [{ path: 'docs/metrics.md', content: intro + agent + webhook }];
}
