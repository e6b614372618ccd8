// SPDX-License-Identifier: Apache-2.0
//
// The name of a listening unix socket in the file system: who owns it, how it is taken, how it is given back. A name is
// taken by link(2), which fails when the name exists, so two daemons that start together never share one. It must never
// remove a socket somebody listens on, nor a file that is not a socket.

import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';

/** `live`: somebody accepts connections; `stale`: a socket file without a listener; `absent`: no such name. */
export type SocketState = 'live' | 'stale' | 'absent';

/** What tells one file from a later one under the same name (inode numbers alone are used again). */
export type FileIdentity = string;

/** Identity of the file at `path`, undefined when there is none. Throws USV_IO for any other failure. */
export function fileIdentity(path: string): FileIdentity | undefined {
  try {
    const stat = lstatSync(path, { bigint: true });
    return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw usvFailure('USV_IO', `cannot look at ${path}: ${errnoOf(error)}`, { cause: error });
  }
}

/** Finds out by connecting whether somebody listens on `path`. Throws USV_IO for what is not a socket. */
export async function probeSocket(path: string): Promise<SocketState> {
  const code = await new Promise<string>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('');
    });
    socket.once('error', (error) => resolve(errnoOf(error)));
  });
  // EAGAIN is a listener whose backlog is full.
  if (code === '' || code === 'EAGAIN') return 'live';
  if (code === 'ENOENT') return 'absent';
  if (code === 'ECONNREFUSED' && lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== false)
    return 'stale';
  throw usvFailure(
    'USV_IO',
    `cannot use ${path} as a socket: it is not one of ours (${code}); remove it by hand`,
  );
}

/**
 * Gives the socket at `temporary` the name `path` and removes the temporary name. A stale socket is replaced.
 * Throws USV_RUNNING when somebody listens there, USV_IO otherwise; the temporary name is then left to the caller.
 */
export async function takeSocketName(temporary: string, path: string): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      linkSync(temporary, path);
      unlinkSync(temporary);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') {
        throw usvFailure('USV_IO', `cannot make the socket ${path}: ${errnoOf(error)}`, { cause: error });
      }
    }
    const before = fileIdentity(path);
    const state = await probeSocket(path);
    if (state === 'live') throw usvFailure('USV_RUNNING', `another process already listens on ${path}`);
    if (state === 'stale' && before !== undefined) removeStale(path, before, `${temporary}~`);
  }
  throw usvFailure('USV_IO', `cannot take the socket name ${path}: others keep taking and leaving it`);
}

// Between the probe and the removal another daemon may have replaced the stale socket by its own: what is moved aside
// is looked at again, and put back when it is not what was probed.
function removeStale(path: string, probed: FileIdentity, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw usvFailure('USV_IO', `cannot replace the stale socket ${path}: ${errnoOf(error)}`, {
      cause: error,
    });
  }
  if (fileIdentity(aside) !== probed) linkSync(aside, path);
  unlinkSync(aside);
}

/** Removes `path` if it is still the file with `identity`; otherwise it belongs to somebody else and stays. */
export function releaseSocketName(path: string, identity: FileIdentity): void {
  if (fileIdentity(path) !== identity) return;
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw usvFailure('USV_IO', `cannot remove the socket ${path}: ${errnoOf(error)}`, { cause: error });
  }
}
