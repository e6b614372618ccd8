// SPDX-License-Identifier: Apache-2.0
//
// `usvhost doctor`: why is this pod not connected? Tests each link of the chain in order, names the first broken one and
// what mends it, and ends with status 1 when there is one.

import type { Command } from 'commander';
import { usvError, usvFailure } from '../../lib/errors.ts';

const examples = `
Examples:
  usvhost doctor                            the links of this node and of all its ports
  usvhost doctor --pod default/app-0        those of one pod's ports
  usvhost doctor --port p0123456789abcd     those of one port
  usvhost doctor --node                     those of the node, and what is left of pods that are gone
  usvhost doctor --json                     one JSON document

In order: directories, switch, agent, kubelet, device plugin, CNI plugin, tun; then of each port: port, directory, mount, driver,
features, counters. Changes nothing. Run it as root in the host's mount namespace. The exit status is 0 when all is well.`;

interface Flags {
  readonly root: string;
  readonly cniBinDir: string;
  readonly port?: string;
  readonly pod?: string;
  readonly node?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('doctor')
    .description('say why a pod is not connected, and what is left on the node')
    .option('--root <dir>', 'directory under which all host paths hang', '/')
    .option('--cni-bin-dir <dir>', 'where the runtime looks for plugins', '/opt/cni/bin')
    .option('--port <name>', 'only this port')
    .option('--pod <namespace/name>', "only this pod's ports")
    .option('--node', 'no ports, but what is left of pods that are gone')
    .option('--json', 'print one JSON document')
    .addHelpText('after', examples)
    .action(run);
}

async function run({ root, cniBinDir, json = false, ...flags }: Flags): Promise<void> {
  const [{ checkPortName, hostPaths }, { diagnose }, { findingLines }] = await Promise.all([
    import('../../lib/names.ts'),
    import('../doctor/run.ts'),
    import('../check/finding.ts'),
  ]);
  const subject = subjectOf(flags, checkPortName);
  const result = await diagnose({ paths: hostPaths(root), cniBinDir, subject });
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(findingLines(result.findings));
    if (result.firstBroken !== null)
      process.stdout.write(`\nfirst broken\n${findingLines([result.firstBroken])}`);
  }
  if (!result.healthy) process.exitCode = 1;
}

function subjectOf(
  { port, pod, node = false }: Omit<Flags, 'root' | 'cniBinDir'>,
  checkPort: (name: string) => string,
) {
  if ([port !== undefined, pod !== undefined, node].filter(Boolean).length > 1)
    throw usvFailure('USV_USAGE', 'expected one of --port, --pod and --node');
  if (node) return { kind: 'node' } as const;
  if (port !== undefined) return { kind: 'port', port: checkPort(port) } as const;
  if (pod === undefined) return { kind: 'all' } as const;
  const [, namespace, name] = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(pod) ?? [];
  if (namespace !== undefined && name !== undefined) return { kind: 'pod', namespace, name } as const;
  throw usvError('USV_USAGE', { what: '--pod', expected: 'NAMESPACE/NAME', got: JSON.stringify(pod) });
}
