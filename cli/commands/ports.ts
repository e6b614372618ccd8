// SPDX-License-Identifier: Apache-2.0
//
// `usvhost ports`: what is connected on this node and what flows, from two looks at the switch.

import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { stopSignal } from '../stop-signal.ts';

const examples = `
Examples:
  usvhost ports                             all ports with the rates of one second (Open vSwitch: of five)
  usvhost ports --watch                     again and again until Ctrl-C
  usvhost ports --json                      one JSON document; with --watch one a line
  usvhost ports --root /tmp/node            of a node beside an installed one

tx is what the pod sent, rx what was delivered to it. A port's state is listening or connecting (no driver), handshake or up. Drops are named
counters since the port was made; docs/ports.md says what each means. Needs to be root, as the switch's socket does.`;

interface Flags {
  readonly root: string;
  readonly watch?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('ports')
    .description('list the ports of this node: pod, state, features, rates, drops')
    .option('--root <dir>', 'directory under which all host paths hang', '/')
    .option('--watch', 'again each second until interrupted')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action(run);
}

async function run({ root, watch = false, json = false }: Flags): Promise<void> {
  const [{ hostPaths }, { look }, { portLines, portTable }] = await Promise.all([
    import('../../lib/names.ts'),
    import('../ports/look.ts'),
    import('../ports/port-line.ts'),
  ]);
  const paths = hostPaths(root);
  const stop = stopSignal();
  let before = await look(paths);
  for (;;) {
    await wait(before.stepMillis, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return;
    const now = await look(paths);
    const lines = portLines(now, before);
    const clear = watch && process.stdout.isTTY ? '\x1b[H\x1b[2J' : '';
    process.stdout.write(json ? `${JSON.stringify({ ports: lines })}\n` : `${clear}${portTable(lines)}`);
    if (!watch) return;
    before = now;
  }
}
