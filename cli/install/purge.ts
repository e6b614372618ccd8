// SPDX-License-Identifier: Apache-2.0
//
// What agent and switch keep on a node, taken away for good: volatile files, state, the files of NPWG device information. Not while one
// of them runs, and not while a pod holds a port, whose DEL needs the records.

import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { errnoOf } from '../../lib/errno.ts';
import { usvError } from '../../lib/errors.ts';
import { hostPaths } from '../../lib/names.ts';
import { probeSocket } from '../../proto/socket-file.ts';
import { io } from './replace-file.ts';

/** `emptied`: something is mounted there, so that the directory itself has to stay. */
export type PurgeAction = 'removed' | 'emptied' | 'absent';

export interface PurgeResult {
  readonly path: string;
  readonly action: PurgeAction;
}

/** Between two looks at a daemon that closes connections and does not end. */
const pauseMillis = 100;

/**
 * Removes all that agent and switch keep below `root`. A daemon that is just ending is waited for.
 * @param millis how long, in all
 * @throws UsvhostError USV_RUNNING when one goes on, USV_IO
 */
export async function purge(root: string, millis = 30_000): Promise<PurgeResult[]> {
  const { agentSocket, switchSocket, runDir, stateDir } = hostPaths(root);
  const end = performance.now() + millis;
  for (const socket of [agentSocket, switchSocket]) await goneFrom(socket, end);
  return [runDir, stateDir].map((path) => ({ path, action: remove(path) }));
}

/** Returns when nobody listens on the socket. */
async function goneFrom(socket: string, end: number): Promise<void> {
  while ((await probeSocket(socket)) === 'live') {
    const left = end - performance.now();
    if (left <= 0) {
      const expected = 'agent and switch of this node to be stopped before their files are removed';
      throw usvError('USV_RUNNING', { what: socket, expected, got: 'one that accepts connections' });
    }
    await closed(socket, left);
    await wait(pauseMillis);
  }
}

/** Returns when a connection to it has ended, as it does with the process, or after `millis`. */
async function closed(path: string, millis: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(path);
  const timer = setTimeout(() => socket.destroy(), millis);
  // What it says is of no interest, and neither is why it ends: the socket is looked at again.
  socket
    .on('data', () => undefined)
    .on('error', () => undefined)
    .on('close', resolve);
  await promise;
  clearTimeout(timer);
}

/** Follows no link. @throws UsvhostError USV_IO */
function remove(path: string): PurgeAction {
  return io(`remove ${path}`, () => {
    try {
      for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
      rmdirSync(path);
      return 'removed';
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 'absent';
      if (errnoOf(error) === 'EBUSY' && readdirSync(path).length === 0) return 'emptied';
      throw error;
    }
  });
}
