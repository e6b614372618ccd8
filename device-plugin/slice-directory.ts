// SPDX-License-Identifier: Apache-2.0
//
// The directory of a pool's slices: on memory of the right kind, private, and with room. It looks and makes directories;
// the files are slice-file's.

import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { usvError, usvFailure } from '../lib/errors.ts';

/** Memory that slices are made of. */
export type SliceKind = 'shm' | 'hugepages';

/** statfs(2), f_type. */
const fileSystems = {
  shm: { name: 'tmpfs', type: 0x01021994 },
  hugepages: { name: 'hugetlbfs', type: 0x958458f6 },
} as const;

/** What the machine must keep when slices of ordinary memory are made. */
const reserveBytes = 256 * 1024 * 1024;

/**
 * Makes `<parts…>` below a directory that exists, private to us at each step. Returns its path.
 * Throws USV_IO, also when somebody else's directory stands there.
 */
export function makePrivateDirectory(base: string, ...parts: readonly string[]): string {
  let path = base;
  for (const part of parts) {
    path = join(path, part);
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST')
        throw usvFailure('USV_IO', `cannot make ${path}: ${errnoOf(error)}`, { cause: error });
    }
    checkPrivate(path);
  }
  return path;
}

/** In a directory such as /dev/shm anybody could have made it before us. */
function checkPrivate(path: string): void {
  const { uid, mode } = lstatSync(path);
  const own = process.geteuid?.();
  const type = mode & 0o170000;
  if (type === 0o040000 && uid === own && (mode & 0o077) === 0) return;
  throw usvError('USV_IO', {
    what: `the directory ${path}`,
    expected: `a directory of user ${own} with mode 0700`,
    got: `mode ${mode.toString(8)} of user ${uid}`,
  });
}

/**
 * Removes directories of pools that are not kept from a private directory, so that their memory comes back as soon as no
 * pod has it mounted. Returns the names. Throws USV_IO.
 */
export function removeOtherPools(directory: string, kept: ReadonlySet<string>): string[] {
  if (!existsSync(directory)) return [];
  checkPrivate(directory);
  const others = readdirSync(directory).filter((name) => /^[a-z]+-\d+Mi$/.test(name) && !kept.has(name));
  try {
    for (const name of others) rmSync(join(directory, name), { recursive: true });
  } catch (error) {
    throw usvFailure('USV_IO', `cannot remove old slices in ${directory}: ${errnoOf(error)}`, {
      cause: error,
    });
  }
  return others;
}

/**
 * Checks that a directory lies on memory of the kind that slices of this size are made of.
 * Throws USV_MEMORY for another file system and for a size that is no multiple of its page; USV_IO.
 */
export function checkFileSystem(kind: SliceKind, directory: string, bytes: number): void {
  const wanted = fileSystems[kind];
  const { type, bsize } = statfs(directory);
  if (type !== wanted.type) {
    throw usvError('USV_MEMORY', {
      what: `the file system of ${directory}`,
      expected: wanted.name,
      got: `type 0x${type.toString(16)}`,
    });
  }
  if (bytes % bsize !== 0) {
    throw usvError('USV_MEMORY', {
      what: `the size of a slice in ${directory}`,
      expected: `a multiple of its page size ${bsize}`,
      got: String(bytes),
    });
  }
}

/**
 * Checks that one more slice can be made in a directory; what others take meanwhile shows when it is made.
 * `availableBytes` is what this process may still have, its cgroup's limit included. Throws USV_MEMORY, USV_IO.
 */
export function checkRoom(kind: SliceKind, directory: string, bytes: number, availableBytes: number): void {
  const { bsize, blocks, bavail } = statfs(directory);
  // A file system without a limit of its own says that it has no blocks.
  const room = blocks === 0 ? Infinity : bavail * bsize;
  if (room < bytes) refuse(directory, bytes, room);
  // Huge pages are set aside from the rest already.
  if (kind === 'hugepages') return;
  const memory = Math.max(availableBytes - reserveBytes, 0);
  if (memory < bytes) refuse(`memory beside a reserve of ${reserveBytes}`, bytes, memory);
}

function refuse(where: string, bytes: number, room: number): never {
  throw usvError('USV_MEMORY', { what: where, expected: `${bytes} free bytes`, got: String(room) });
}

function statfs(directory: string): { type: number; bsize: number; blocks: number; bavail: number } {
  try {
    return statfsSync(directory);
  } catch (error) {
    throw usvFailure('USV_IO', `cannot look at ${directory}: ${errnoOf(error)}`, { cause: error });
  }
}
