// SPDX-License-Identifier: Apache-2.0
//
// A real one-node Kubernetes on this machine: up, down, status, and running a command inside. One at a time on a machine. Reads as
// the story it tells; the node's own part of it is inside/main.ts.

import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../../scripts/main.ts';
import { buildCluster } from './binaries.ts';
import type { Say } from './go.ts';
import { writeConfig } from './host/config.ts';
import { leftovers, machineStateSchema, prepareMachine, restoreMachine } from './host/machine-state.ts';
import { makePki } from './host/pki.ts';
import { requireMachine } from './host/requirements.ts';
import { abandon, firstProcess, insideCommand, isAlive, raise, raze } from './host/sandbox.ts';
import { pathsIn, stateDirectory } from './paths.ts';

const stateFile = join(stateDirectory, 'cluster.json');
const lastWords = 4000;

/** What is known of a cluster from its start to its end, also by a later process. */
const recordSchema = z.object({
  cache: z.string(),
  machine: machineStateSchema,
  init: z.optional(
    z.object({ pid: z.number(), startedAt: z.string(), namespaces: z.array(z.string()).readonly() }),
  ),
});
type ClusterRecord = z.output<typeof recordSchema>;

function readRecord(): ClusterRecord | undefined {
  if (!existsSync(stateFile)) return undefined;
  return recordSchema.parse(JSON.parse(readFileSync(stateFile, 'utf8')));
}

function writeRecord(record: ClusterRecord): void {
  writeFileSync(stateFile, JSON.stringify(record));
}

/** The running node, or undefined. */
function running(): (ClusterRecord & { init: NonNullable<ClusterRecord['init']> }) | undefined {
  const record = readRecord();
  return record?.init !== undefined && isAlive(record.init) ? { ...record, init: record.init } : undefined;
}

export function isUp(): boolean {
  return running() !== undefined;
}

/** Returns when pods can be made; at once when the cluster is up. What was left of one that broke off is cleared away. */
export async function up(say: Say): Promise<void> {
  if (isUp()) return say('the cluster is up already');
  requireMachine();
  const cache = await buildCluster(say);
  await down(say);
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const paths = pathsIn(cache);
  const record = { cache, machine: prepareMachine() };
  writeRecord(record);
  try {
    await makePki(paths.pki);
    writeConfig(paths);
    say('certificates and configuration');
    writeRecord({ ...record, init: await startNode(cache, say) });
  } catch (error) {
    const words = readLog();
    await down(say);
    throw usvFailure('USV_IO', `the cluster did not start:\n${words}`, { cause: error });
  }
}

async function startNode(cache: string, say: Say) {
  const log = openSync(join(stateDirectory, 'node.log'), 'a');
  const story = [join(projectRoot, 'scripts/node'), join(import.meta.dirname, 'inside/main.ts'), cache];
  const unshare = raise(story, log);
  closeSync(log);
  try {
    const init = await firstProcess(unshare);
    if (unshare.stdout === null) throw usvFailure('USV_INTERNAL', 'no pipe');
    for await (const line of createInterface({ input: unshare.stdout })) {
      say(line);
      if (line !== 'ready') continue;
      // From here on the node lives by itself.
      unshare.stdout.destroy();
      unshare.unref();
      return init;
    }
    throw usvFailure('USV_IO', 'the node ended');
  } catch (error) {
    await abandon(unshare);
    throw error;
  }
}

function readLog(): string {
  return readFileSync(join(stateDirectory, 'node.log'), 'utf8').slice(-lastWords);
}

/** Ends the cluster, if there is one, and returns what it left behind, by kind: empty when all is well. */
export async function down(say: Say): Promise<string[]> {
  const record = readRecord();
  if (record === undefined) return [];
  if (record.init !== undefined) await raze(record.init);
  await restoreMachine(record.machine);
  rmSync(stateDirectory, { recursive: true, force: true });
  say('the cluster is down');
  return leftovers(record.machine);
}

/** The command line that runs `command` inside the node, with its programs first in PATH and its administrator's kubeconfig. */
export function inside(command: readonly string[]): string[] {
  const node = running();
  if (node === undefined) throw usvFailure('USV_USAGE', 'the cluster is down: run npm run cluster -- up');
  const { bin, kubeconfig } = pathsIn(node.cache);
  const environment = [
    'env',
    `PATH=${bin}:${process.env['PATH']}:/usr/sbin:/sbin`,
    `KUBECONFIG=${kubeconfig}`,
  ];
  return insideCommand(node.init, [...environment, ...command]);
}
