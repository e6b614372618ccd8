// SPDX-License-Identifier: Apache-2.0
//
// docs/metrics.md from the table of the agent's metrics.

import { agentMetricTable } from '../../lib/agent-metrics.ts';
import type { MetricTable } from '../../lib/metrics.ts';
import { generatedNote, type Output } from './output.ts';

const intro = `# Metrics of the agent

${generatedNote('lib/agent-metrics.ts')}

How to reach them: [node-agent.md](node-agent.md#metrics-health-and-readiness). Beside these there are those of the process,
\`process_*\` and \`nodejs_*\`, as Prometheus's client library has them. No label has the name of a pod, a container or a port,
so the number of series does not grow with what runs on a node.

| metric | kind | labels | meaning |
|---|---|---|---|
`;

export async function generate(): Promise<readonly Output[]> {
  const table: MetricTable = agentMetricTable;
  const rows = Object.entries(table).map(([name, { kind, labels, help }]) => {
    const labelled = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${kind} | ${labelled} | ${help} |\n`;
  });
  return [{ path: 'docs/metrics.md', content: intro + rows.join('') }];
}
