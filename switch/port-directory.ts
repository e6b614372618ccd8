// SPDX-License-Identifier: Apache-2.0
//
// The directory of a port, <run>/ports/<port>/. It is bind-mounted into a pod, so it must outlive the switch: a new
// directory under the old name would not be the one the pod sees. The pod may write into it, so nothing in it is trusted:
// names are removed, never followed, and only names that are ours, unless the directory was opened to the pod.

import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';
import { emptyForeignDirectory } from './foreign-directory.ts';

const socketName = 'vhost.sock';
/** Set on a directory that is open to its pod: the pod's users cannot remove port.json, and a later switch knows. */
const stickyBit = 0o1000;
/** `port.json` is the agent's; it goes with the port. */
const knownNames: readonly string[] = [socketName, 'port.json'];

/**
 * Makes the directory with mode 0755, or takes over the one that is there, and removes the socket a former switch left.
 * Returns whether it was made. Throws USV_IO.
 */
export function preparePortDirectory(directory: string): boolean {
  return preparing(directory, () => {
    const made = makeDirectory(directory);
    // Root's umask must not keep the pod's uid out.
    if (made) chmodSync(directory, 0o755);
    else removeFile(join(directory, socketName));
    return made;
  });
}

/** Who may make a socket in a port's directory. */
interface DirectoryAccess {
  /** Permission bits; the sticky bit is added. */
  readonly mode: number;
  /** Undefined: as it is. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * Makes or takes over the directory of a port whose pod listens: the pod may write into it, and a socket in it is the pod's
 * and stays. Returns whether it was made. Throws USV_IO.
 */
export function openPortDirectory(directory: string, { mode, uid = -1, gid = -1 }: DirectoryAccess): boolean {
  return preparing(directory, () => {
    const made = makeDirectory(directory);
    if (uid !== -1 || gid !== -1) chownSync(directory, uid, gid);
    chmodSync(directory, mode | stickyBit);
    return made;
  });
}

function preparing(directory: string, prepare: () => boolean): boolean {
  try {
    return prepare();
  } catch (error) {
    throw usvFailure('USV_IO', `cannot prepare the port directory ${directory}: ${String(error)}`, {
      cause: error,
    });
  }
}

function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o755 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' && lstatSync(directory).isDirectory()) return false;
    throw error;
  }
}

function removeFile(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** What removing a directory came to: `kept` lists names that are not ours, for which the directory had to stay. */
export interface RemovedDirectory {
  readonly removed: boolean;
  readonly kept: readonly string[];
}

/**
 * Removes the directory with our own files in it, and with all that a pod left in it if it was open to the pod. Absent is a
 * success with `removed` false. Throws USV_IO.
 */
export function removePortDirectory(directory: string): RemovedDirectory {
  try {
    const mode = lstatSync(directory, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & stickyBit) !== 0) emptyForeignDirectory(directory);
    for (const name of knownNames) removeKnown(join(directory, name));
    return removeEmpty(directory);
  } catch (error) {
    throw usvFailure('USV_IO', `cannot remove the port directory ${directory}: ${String(error)}`, {
      cause: error,
    });
  }
}

// A pod may have put a directory where our file was (EISDIR, or EPERM by POSIX): then it is not ours and is reported by removeEmpty.
function removeKnown(path: string): void {
  try {
    removeFile(path);
  } catch (error) {
    if (errnoOf(error) !== 'EISDIR' && errnoOf(error) !== 'EPERM') throw error;
  }
}

/** Removes the directory if nothing is in it; a directory in use by a pod holds a port.json and stays. */
export function removeEmpty(directory: string): RemovedDirectory {
  try {
    rmdirSync(directory);
    return { removed: true, kept: [] };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { removed: false, kept: [] };
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST')
      return { removed: false, kept: readdirSync(directory) };
    throw error;
  }
}
