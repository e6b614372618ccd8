// SPDX-License-Identifier: Apache-2.0
//
// `usvhost agent`: reads the configuration, then runs the node agent until it is told to stop. Nothing is loaded before the
// command is chosen.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { stopSignal } from '../stop-signal.ts';

const examples = `
Examples:
  usvhost agent                             the agent of this node, everything below /
  usvhost agent --ports 128                 128 devices of usvhost.io/port
  usvhost agent --root /tmp/node            a second node beside an installed one
  usvhost agent --config /etc/usvhost/agent.json

The agent answers CNI calls when <root>/run/usvhost/agent.sock exists. SIGTERM and SIGINT stop it: pods keep their ports, and
the next agent knows them from <root>/var/lib/usvhost. The switch may come later and may be restarted at any time. Every
field of the configuration can also be set in the environment, for example USVHOST_AGENT_PORTS=128.`;

function parseCount(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

interface Flags extends Readonly<Record<string, unknown>> {
  readonly config?: string;
}

export function register(program: Command): void {
  program
    .command('agent')
    .description('run the node agent: CNI server and device plugin')
    .option('--root <dir>', 'directory under which all host paths hang (default: /)')
    .option('--ports <n>', 'devices of the device plugin', parseCount)
    .option('--config <file>', 'JSON file with the fields of the configuration')
    .addHelpText('after', examples)
    .action(run);
}

async function run({ config: file, ...flags }: Flags): Promise<void> {
  const [{ loadConfig }, { agentConfigSchema }, { createLogger }, { runAgent }] = await Promise.all([
    import('../../lib/config/load.ts'),
    import('../../lib/config/agent.ts'),
    import('../../lib/log.ts'),
    import('../../agent/daemon.ts'),
  ]);
  const config = loadConfig(agentConfigSchema, { role: 'agent', file, env: process.env, flags });
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  await runAgent(config, { log: createLogger('agent'), bootId, env: process.env }, stopSignal());
}
