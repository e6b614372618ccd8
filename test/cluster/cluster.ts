// SPDX-License-Identifier: Apache-2.0
//
// A real one-node Kubernetes on this machine: up, down, and running a command inside. USVHOST_CLUSTER says which one. Reads as
// the story it tells; the node's own part of it is inside/main.ts.

import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { errnoOf } from '../../lib/errno.ts';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../../scripts/main.ts';
import { buildCluster } from './binaries.ts';
import type { Say } from './go.ts';
import { writeConfig } from './host/config.ts';
import { removeControlGroups, withControlGroups } from './host/control-groups.ts';
import { locked } from './host/lock.ts';
import { Machine } from './host/machine-state.ts';
import { makePki } from './host/pki.ts';
import { requireMachine } from './host/requirements.ts';
import {
  abandon,
  type FirstProcess,
  firstProcess,
  insideCommand,
  isAlive,
  raise,
  raze,
} from './host/sandbox.ts';
import { clusterName, clustersDirectory, environmentOf, pathsIn, stateDirectory } from './paths.ts';
import { type ClusterRecord, otherClusters, readRecord, writeRecord } from './record.ts';

const nodeLog = (): string => join(stateDirectory(), 'node.log');
/** Characters of the node's log in an error. */
const lastWords = 4000;
const controlGroup = (): string => `usvhost-${clusterName()}`;

export function isUp(): boolean {
  const record = readRecord();
  return record?.init !== undefined && record.ready && isAlive(record.init);
}

/** @throws UsvhostError USV_USAGE when the cluster that is up belongs to another checkout: the stories of two would disturb each other */
function isUpForUs(): boolean {
  const checkout = readRecord()?.checkout;
  if (!isUp()) return false;
  if (checkout === projectRoot) return true;
  throw usvFailure(
    'USV_USAGE',
    `the cluster ${clusterName()} is up and belongs to the checkout ${checkout}: take it down or name another one by USVHOST_CLUSTER`,
  );
}

/** Returns when pods can be made; at once when the cluster is up. What one that broke off has left is cleared away first. */
export async function up(say: Say): Promise<void> {
  if (isUpForUs()) return say(`the cluster ${clusterName()} is up already`);
  requireMachine();
  const cache = await buildCluster(say);
  await locked(async () => {
    // Somebody else may have had the lock before.
    if (!isUpForUs()) await start(cache, say);
  });
}

async function start(cache: string, say: Say): Promise<void> {
  await end();
  const record = { cache, checkout: projectRoot, ready: false };
  writeRecord(record);
  try {
    new Machine().enter(clusterName(), otherClusters());
    const paths = pathsIn(cache);
    await makePki(paths.pki);
    writeConfig(paths);
    say('certificates and configuration');
    await startNode(record, say);
  } catch (cause) {
    const words = existsSync(nodeLog()) ? readFileSync(nodeLog(), 'utf8').slice(-lastWords) : '';
    await end();
    throw usvFailure('USV_IO', `the cluster did not start: ${String(cause)}\n${words}`, { cause });
  }
}

/** Starts the story inside and relays it until its last word. */
async function startNode(record: ClusterRecord, say: Say): Promise<void> {
  const { unshare, init } = await withControlGroups(controlGroup(), async (files) =>
    launch(record.cache, files),
  );
  try {
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

/** Returns when the node has its first process, which is in the control groups. */
async function launch(
  cache: string,
  groups: readonly string[],
): Promise<{ unshare: ChildProcess; init: FirstProcess }> {
  const log = openSync(nodeLog(), 'a');
  const story = [join(projectRoot, 'scripts/node'), join(import.meta.dirname, 'inside/main.ts'), cache];
  const unshare = raise(story, log, groups);
  closeSync(log);
  try {
    return { unshare, init: await firstProcess(unshare) };
  } catch (error) {
    await abandon(unshare);
    throw error;
  }
}

/** Ends the cluster, if there is one, and returns what it left behind, by kind: empty when all is well. */
export async function down(say: Say): Promise<string[]> {
  if (readRecord() === undefined) return [];
  const left = await locked(end);
  say(`the cluster ${clusterName()} is down`);
  return left;
}

/** The same, under the lock; also of a start that broke off before it wrote anything down. */
async function end(): Promise<string[]> {
  const init = readRecord()?.init;
  if (init !== undefined) await raze(init);
  await removeControlGroups(controlGroup());
  const left = new Machine().leave(clusterName(), otherClusters());
  rmSync(stateDirectory(), { recursive: true, force: true });
  try {
    rmdirSync(clustersDirectory);
  } catch (error) {
    // There are others, or there was none.
    if (!['ENOTEMPTY', 'ENOENT'].includes(errnoOf(error))) throw error;
  }
  return left;
}

/**
 * The command line that runs `command` inside the node, with its programs first in PATH and its administrator's kubeconfig.
 * @throws UsvhostError USV_USAGE when the cluster is down
 */
export function inside(command: readonly string[]): string[] {
  const record = readRecord();
  if (record?.init === undefined || !isAlive(record.init))
    throw usvFailure('USV_USAGE', `the cluster ${clusterName()} is down: npm run cluster -- up starts it`);
  const variables = Object.entries(environmentOf(pathsIn(record.cache)));
  return insideCommand(record.init, [
    'env',
    ...variables.map(([name, value]) => `${name}=${value}`),
    ...command,
  ]);
}
