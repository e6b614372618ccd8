// SPDX-License-Identifier: Apache-2.0
//
// `npm run cluster -- build | up | down | status [--json] | exec COMMAND…`: the command line of the test cluster that USVHOST_CLUSTER
// names.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { usvError, usvFailure } from '../../lib/errors.ts';
import { buildHelm } from '../../scripts/helm.ts';
import { main } from '../../scripts/main.ts';
import { buildCluster } from './binaries.ts';
import { down, inside, isUp, up } from './cluster.ts';
import { requireMachine } from './host/requirements.ts';
import { buildKubeconform } from './kubeconform.ts';
import { buildMultusThick } from './multus-thick.ts';
import { clusterName, pathsIn, stateDirectory } from './paths.ts';
import { readRecord } from './record.ts';
import { versions } from './versions.ts';

const help = `Usage: npm run cluster -- COMMAND

A real Kubernetes of one node on this machine, apart from everything else on it (docs/cluster.md).

  build            compiles what it runs, once, for a quarter of an hour
  up, down         starts it, takes it down
  status [--json]  its pods; status 1 when it is down
  exec PROGRAM…    runs a program in it

Example:
  npm run cluster -- exec kubectl get pods -A
`;

const started = performance.now();

/** Progress, with the seconds since the start. */
function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(`${seconds.padStart(7)} s  ${line}\n`);
}

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  async build() {
    requireMachine();
    const directories = [await buildCluster(say), await buildMultusThick(say)];
    say('building Helm and kubeconform');
    const files = [...directories, await buildHelm(), await buildKubeconform()];
    process.stdout.write(files.map((file) => `${file}\n`).join(''));
    return 0;
  },
  async up() {
    await up(say);
    return 0;
  },
  async down() {
    const left = await down(say);
    if (left.length > 0) throw usvFailure('USV_INTERNAL', `the cluster left behind: ${left.join(', ')}`);
    return 0;
  },
  status,
  exec: async (args) => run(inside(args)),
};

/** Exit status 1 when the cluster is down. */
async function status(args: readonly string[]): Promise<number> {
  const up = isUp();
  const cluster = clusterName();
  const checkout = up ? readRecord()?.checkout : undefined;
  if (args.includes('--json')) {
    const where = up ? { checkout, state: stateDirectory(), kubeconfig: pathsIn('').kubeconfig } : {};
    process.stdout.write(`${JSON.stringify({ cluster, up, versions, ...where })}\n`);
  } else if (up) {
    process.stdout.write(`the cluster ${cluster} of ${checkout}\n`);
    await run(inside(['kubectl', 'get', 'nodes,pods', '--all-namespaces', '--output=wide']));
  } else process.stdout.write(`the cluster ${cluster} is down\n`);
  return up ? 0 : 1;
}

async function run([program = '', ...args]: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit' });
  await once(child, 'exit');
  return child.exitCode ?? 128;
}

await main(async () => {
  const [, , name = '', ...args] = process.argv;
  // Only as the first word: what exec runs has arguments of its own.
  if (name === '--help' || name === '-h') {
    process.stdout.write(help);
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const expected = Object.keys(commands).join(', ');
    throw usvError('USV_USAGE', { what: 'the command of the cluster', expected, got: name || 'none' });
  }
  return command(args);
});
