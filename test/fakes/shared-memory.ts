// SPDX-License-Identifier: Apache-2.0
//
// Temporary directories on a real tmpfs, /dev/shm, and a real hugetlbfs where the machine lets us mount one.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { reserveHugepages } from '../../bench/machine.ts';

/** Returns a function that makes a new empty directory on tmpfs; all of them are removed after each test. */
export function sharedMemoryDirectories(): () => string {
  const made: string[] = [];
  afterEach(() => {
    for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
  });
  return () => {
    const directory = mkdtempSync(join('/dev/shm', 'usv-'));
    made.push(directory);
    return directory;
  };
}

/**
 * Mounts a hugetlbfs with 2 MiB pages on `directory`, and sees to its pages; undefined when the machine refuses either.
 * Returns what undoes both.
 */
export function mountHugepages(directory: string, sizeMi: number): (() => void) | undefined {
  const pages = reserveHugepages(sizeMi * 2 ** 20);
  const options = `pagesize=2M,size=${sizeMi}M`;
  if (!pages.enough) {
    pages.restore();
    return undefined;
  }
  try {
    execFileSync('mount', ['-t', 'hugetlbfs', '-o', options, 'none', directory], { stdio: 'ignore' });
  } catch {
    pages.restore();
    return undefined; // no privilege: the caller says what then
  }
  return () => {
    execFileSync('umount', [directory]);
    pages.restore();
  };
}
