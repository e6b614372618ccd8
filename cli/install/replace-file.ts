// SPDX-License-Identifier: Apache-2.0
//
// Puts a file in place of another so that whoever looks, also after a kill or a power cut, finds the old one or the new one
// and never a part. It must not follow a link at the place itself.

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { usvFailure } from '../../lib/errors.ts';

/** No runtime takes such a name for a configuration (libcni: .conf, .conflist, .json) or for a plugin. */
const temporaryName = /^\.usvhost-[0-9a-f]{12}\.tmp$/;

export interface FileOwner {
  /** Permission bits. */
  readonly mode: number;
  /** Default: whoever writes. */
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Gives `path` this content by write, fsync and rename. Temporary files of runs that were killed are removed; of two runs at
 * the same time one may fail for that reason.
 * @throws UsvhostError USV_IO
 */
export function replaceFile(path: string, content: string | Uint8Array, owner: FileOwner): void {
  const directory = dirname(path);
  const temporary = join(directory, `.usvhost-${randomBytes(6).toString('hex')}.tmp`);
  io(`write ${path}`, () => {
    removeTemporaries(directory);
    try {
      write(temporary, content, owner);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    syncDirectory(directory);
  });
}

/** Removes a file for good. @throws UsvhostError USV_IO */
export function removeFile(path: string): void {
  io(`remove ${path}`, () => {
    removeTemporaries(dirname(path));
    rmSync(path);
    syncDirectory(dirname(path));
  });
}

function write(path: string, content: string | Uint8Array, { mode, uid, gid }: FileOwner): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(fd, content);
    if (uid !== undefined && gid !== undefined) fchownSync(fd, uid, gid);
    // After the owner, which may take bits away, and past the umask.
    fchmodSync(fd, mode);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function removeTemporaries(directory: string): void {
  for (const name of readdirSync(directory).filter((each) => temporaryName.test(each)))
    rmSync(join(directory, name), { force: true });
}

// The new name itself has to reach the disk too.
function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Runs file operations; a refused one is USV_IO with what was wanted and the system's reason. */
export function io<Result>(what: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (errnoOf(error) === '' || errnoOf(error).startsWith('USV_')) throw error;
    throw usvFailure('USV_IO', `cannot ${what}: ${errnoOf(error)}`, { cause: error });
  }
}
