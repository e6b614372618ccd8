// SPDX-License-Identifier: Apache-2.0
//
// The file of one memory slice: made whole or not at all, and given up. fallocate(2) allocates and zeroes every page on
// tmpfs and on hugetlbfs, where write(2) does not work, so nothing is left to fail or to be charged when a pod touches
// it. Node has no such call; the program fallocate of util-linux makes it without holding up the event loop. A used slice
// is never scrubbed in place, since whoever had it may have it mapped still: it gets a new file.

import { constants } from 'node:fs';
import { lstat, open, rename, rm } from 'node:fs/promises';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';

/** Runs a program to its end. Rejects when it cannot be started or fails; the message has what it said. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<unknown>;

export interface SliceFile {
  readonly path: string;
  readonly bytes: number;
  /** CPUs whose memory is to be taken, as in sysfs's cpulist; undefined: wherever there is some. */
  readonly cpus?: string | undefined;
}

/** Anyone: only root and the container that it is mounted into can reach the file. */
const sliceMode = 0o666;

/**
 * Makes the file at `path`, which must not exist: zeroes of which every page is allocated.
 * Throws USV_MEMORY when the memory cannot be had; then there is no file.
 */
export async function makeSliceFile(slice: SliceFile, run: RunProgram): Promise<void> {
  const { path, bytes, cpus } = slice;
  // A crash before the end leaves this name, which is nobody's slice.
  const unfinished = `${path}.new`;
  try {
    await rm(unfinished, { force: true });
    const file = await open(unfinished, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, sliceMode);
    try {
      // The mode above was cut by the umask.
      await file.chmod(sliceMode);
      const fill = ['fallocate', '--length', String(bytes), unfinished] as const;
      // The kernel takes memory near the CPU that asks for it.
      if (cpus === undefined) await run(fill[0], fill.slice(1));
      else await run('taskset', ['--cpu-list', cpus, ...fill]);
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
