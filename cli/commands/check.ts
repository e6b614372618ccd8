// SPDX-License-Identifier: Apache-2.0
//
// `usvhost check`: does a port's directory keep the contract between node and pod? It prints what it found and what to do,
// and ends with status 1 when something is wrong.

import type { Command } from 'commander';

const examples = `
Examples:
  usvhost check /var/run/usvhost/net1                 in a pod, also without the node's tools
  usvhost check /run/usvhost/ports/p0123456789abcd    the same port on its node
  usvhost check /var/run/usvhost/net1 --json
  usvhost check /var/run/usvhost                      the only port of this container

Looks at the directory, port.json and the socket, and asks the back-end what it offers, which takes a free port for a moment;
a port that is in use is left alone. Changes nothing. The last line is the port as device arguments of dpdk-testpmd, for its
--vdev. The exit status is 0 when all is as the contract says, 1 when something is wrong.`;

export function register(program: Command): void {
  program
    .command('check')
    .description("check a port's directory against the contract between node and pod")
    .argument('<port-dir>', 'directory with vhost.sock and port.json, or the mount of a pod with one port')
    .option('--json', 'print one JSON document')
    .addHelpText('after', examples)
    .action(run);
}

interface Flags {
  readonly json?: boolean;
}

async function run(directory: string, { json = false }: Flags): Promise<void> {
  const [{ checkPort }, { findingLines }] = await Promise.all([
    import('../check/run.ts'),
    import('../check/finding.ts'),
  ]);
  const result = await checkPort(directory);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(findingLines(result.findings));
    if (result.devargs !== undefined) process.stdout.write(`\n--vdev ${result.devargs}\n`);
  }
  if (!result.conforms) process.exitCode = 1;
}
