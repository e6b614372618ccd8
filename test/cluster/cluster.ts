// SPDX-License-Identifier: Apache-2.0
//
// A real one-node Kubernetes on this machine: up, down, and running a command inside. One at a time on a machine. Reads as the
// story it tells; the node's own part of it is inside/main.ts.

import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../../scripts/main.ts';
import { buildCluster } from './binaries.ts';
import type { Say } from './go.ts';
import { writeConfig } from './host/config.ts';
import { leftovers, prepareMachine, restoreMachine } from './host/machine-state.ts';
import { makePki } from './host/pki.ts';
import { requireMachine } from './host/requirements.ts';
import { abandon, firstProcess, insideCommand, isAlive, raise, raze } from './host/sandbox.ts';
import { environmentOf, pathsIn, stateDirectory } from './paths.ts';
import { type ClusterRecord, readRecord, writeRecord } from './record.ts';

const nodeLog = join(stateDirectory, 'node.log');
/** Characters of the node's log in an error. */
const lastWords = 4000;

export function isUp(): boolean {
  const record = readRecord();
  return record?.init !== undefined && record.ready && isAlive(record.init);
}

/** Returns when pods can be made; at once when the cluster is up. What one that broke off has left is cleared away first. */
export async function up(say: Say): Promise<void> {
  if (isUp()) return say('the cluster is up already');
  requireMachine();
  const cache = await buildCluster(say);
  await down(say);
  const record = { cache, machine: prepareMachine(), ready: false };
  writeRecord(record);
  try {
    const paths = pathsIn(cache);
    await makePki(paths.pki);
    writeConfig(paths);
    say('certificates and configuration');
    await startNode(record, say);
  } catch (cause) {
    const words = existsSync(nodeLog) ? readFileSync(nodeLog, 'utf8').slice(-lastWords) : '';
    await down(say);
    throw usvFailure('USV_IO', `the cluster did not start: ${String(cause)}\n${words}`, { cause });
  }
}

/** Starts the story inside and relays it until its last word. */
async function startNode(record: ClusterRecord, say: Say): Promise<void> {
  const log = openSync(nodeLog, 'a');
  const story = [
    join(projectRoot, 'scripts/node'),
    join(import.meta.dirname, 'inside/main.ts'),
    record.cache,
  ];
  const unshare = raise(story, log);
  closeSync(log);
  try {
    const init = await firstProcess(unshare);
    writeRecord({ ...record, init });
    if (unshare.stdout === null) throw usvFailure('USV_INTERNAL', 'no pipe');
    for await (const line of createInterface({ input: unshare.stdout })) {
      say(line);
      if (line !== 'ready') continue;
      writeRecord({ ...record, init, ready: true });
      // From here on the node lives by itself.
      unshare.stdout.destroy();
      unshare.unref();
      return;
    }
    throw usvFailure('USV_IO', 'the node ended');
  } catch (error) {
    await abandon(unshare);
    throw error;
  }
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

/**
 * The command line that runs `command` inside the node, with its programs first in PATH and its administrator's kubeconfig.
 * @throws UsvhostError USV_USAGE when the cluster is down
 */
export function inside(command: readonly string[]): string[] {
  const record = readRecord();
  if (record?.init === undefined || !isAlive(record.init))
    throw usvFailure('USV_USAGE', 'the cluster is down: npm run cluster -- up starts it');
  const variables = Object.entries(environmentOf(pathsIn(record.cache)));
  return insideCommand(record.init, [
    'env',
    ...variables.map(([name, value]) => `${name}=${value}`),
    ...command,
  ]);
}
