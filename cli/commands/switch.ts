// SPDX-License-Identifier: Apache-2.0
//
// `usvhost switch`: reads the configuration, then runs the switch until it is told to stop. Nothing is loaded before the
// command is chosen, so that --help needs no compiler.

import type { Command } from 'commander';
import { usvError } from '../../lib/errors.ts';
import { parseCpus } from '../cpus.ts';
import { stopSignal } from '../stop-signal.ts';

const examples = `
Examples:
  usvhost switch                            one unpinned data thread, everything below /
  usvhost switch --cpus 2,3                 two data threads, on CPUs 2 and 3
  usvhost switch --root /tmp/node           a second node beside an installed one
  usvhost switch --config /etc/usvhost/switch.json

The switch is ready when <root>/run/usvhost/switch.sock exists. SIGTERM and SIGINT stop it: pods keep their port
directories and connect again when a switch is back. Every field of the configuration can also be set in the
environment, for example USVHOST_SWITCH_MAX_PORTS=512.`;

function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usvError('USV_USAGE', { what: '--max-ports', expected: 'a number', got: JSON.stringify(text) });
}

interface Flags extends Readonly<Record<string, unknown>> {
  readonly config?: string;
}

export function register(program: Command): void {
  program
    .command('switch')
    .description('run the vhost-user switch of this node')
    .option('--root <dir>', 'directory under which all host paths hang (default: /)')
    .option(
      '--cpus <list>',
      'CPUs of the data threads, one thread each (default: one unpinned thread)',
      parseCpus,
    )
    .option('--max-ports <n>', 'most ports at the same time', parseCount)
    .option('--config <file>', 'JSON file with the fields of the configuration')
    .addHelpText('after', examples)
    .action(run);
}

async function run({ config: file, ...flags }: Flags): Promise<void> {
  const [{ loadConfig }, { switchConfigSchema }, { createLogger }, { runSwitch }, { NativeSwitch }] =
    await Promise.all([
      import('../../lib/config/load.ts'),
      import('../../lib/config/switch.ts'),
      import('../../lib/log.ts'),
      import('../../switch/daemon.ts'),
      import('../../native/index.ts'),
    ]);
  const config = loadConfig(switchConfigSchema, { role: 'switch', file, env: process.env, flags });
  await runSwitch(
    config,
    { log: createLogger('switch'), createNative: (options, onEvent) => new NativeSwitch(options, onEvent) },
    stopSignal(),
  );
}
