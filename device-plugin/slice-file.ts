// SPDX-License-Identifier: Apache-2.0
//
// The file of one memory slice: made whole or not at all, and given up. fallocate(2) allocates and zeroes every page on
// tmpfs and on hugetlbfs, where write(2) does not work, so nothing is left to fail or to be charged when a pod touches
// it. Node has neither that call nor set_mempolicy(2); native/shim/allocate.h does both without holding up the event loop. A
// used slice is never scrubbed in place, since whoever had it may have it mapped still: it gets a new file.

import { constants } from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';
import { shimFile } from '../native/shim-file.ts';

/** Runs a program to its end. Rejects when it cannot be started or fails; the message has what it said. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<unknown>;

export interface SliceFile {
  readonly path: string;
  readonly bytes: number;
  /** NUMA node whose memory is to be taken, and no other; undefined: wherever there is some. */
  readonly node?: number | undefined;
}

/** Anyone: only root and the container that it is mounted into can reach the file. */
const sliceMode = 0o666;

/**
 * Makes the file at `path`, which must not exist: zeroes of which every page is allocated.
 * Throws USV_MEMORY when the memory cannot be had; then there is no file.
 */
export async function makeSliceFile(slice: SliceFile, run: RunProgram): Promise<void> {
  const { path, bytes, node } = slice;
  // A crash before the end leaves this name, which is nobody's slice.
  const unfinished = `${path}.new`;
  try {
    await rm(unfinished, { force: true });
    const file = await open(unfinished, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, sliceMode);
    try {
      // The mode above was cut by the umask.
      await file.chmod(sliceMode);
      await run(shimFile, ['allocate', String(node ?? '-'), String(bytes), unfinished]);
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    const reason = error instanceof Error ? error.message.trim() : String(error);
    throw usvFailure('USV_MEMORY', `cannot allocate ${bytes} bytes for ${path}: ${reason}`, { cause: error });
  }
}

/**
 * Removes a slice's file, if there is one, and frees its memory at once, also when somebody still maps it: he finds
 * nothing there any more (SIGBUS). What is there under that name and is no file is removed. Throws USV_IO.
 */
export async function giveUpSliceFile(path: string): Promise<void> {
  try {
    const stat = await lstat(path);
    if (stat.isFile()) {
      const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
      try {
        await file.truncate(0);
      } finally {
        await file.close();
      }
    }
    await rm(path, { recursive: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw usvFailure('USV_IO', `cannot remove the used slice ${path}: ${errnoOf(error)}`, { cause: error });
  }
}
