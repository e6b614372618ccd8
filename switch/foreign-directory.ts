// SPDX-License-Identifier: Apache-2.0
//
// Empties a directory in which somebody else makes the entries, perhaps at this very moment. Every step works on an open
// directory and one name in it, so that no link is followed wherever it is put; depth costs nothing, and the work is bounded.
// It must never be told a path that the other side could change: the directory itself is ours.

import { closeSync, constants, opendirSync, openSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../lib/errno.ts';

const directoryOnly = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Errors that say that an entry is not what it was or resists; what stays is found by whoever removes the directory. */
const resisting: readonly string[] = [
  'ENOENT',
  'ENOTEMPTY',
  'EEXIST',
  'EISDIR',
  'ENOTDIR',
  'EPERM',
  'EACCES',
  'ELOOP',
];

/** True when done, false when the entry resisted. */
function tried(step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (resisting.includes(errnoOf(error))) return false;
    throw error;
  }
}

/** What a pod chose need not be UTF-8; in latin1 every byte is a character. */
const bytesOfNames = 'latin1';

function entryOf(directory: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${directory}/${name}`, bytesOfNames);
}

/** At most `limit` names of an open directory. */
function someNames(directory: number, limit: number): string[] {
  const listing = opendirSync(`/proc/self/fd/${directory}`, { encoding: bytesOfNames });
  try {
    const names: string[] = [];
    for (let entry = listing.readSync(); entry !== null && names.length < limit; entry = listing.readSync()) {
      names.push(entry.name);
    }
    return names;
  } finally {
    listing.closeSync();
  }
}

/**
 * Removes what can be removed. `maxSteps` bounds removals and moves: a pod that has made more entries keeps the rest for
 * the next call. Throws the system's error for anything unforeseen.
 */
export function emptyForeignDirectory(path: string, maxSteps = 10_000): void {
  const top = openSync(path, directoryOnly);
  try {
    let steps = 0;
    let progress = true;
    while (progress && steps < maxSteps) {
      progress = false;
      for (const name of someNames(top, maxSteps - steps)) {
        steps++;
        const entry = entryOf(top, name);
        const gone = tried(() => unlinkSync(entry)) || tried(() => rmdirSync(entry));
        const lifted = gone ? 0 : liftChildren(top, entry, steps, maxSteps);
        steps += lifted;
        progress ||= gone || lifted > 0;
      }
    }
  } finally {
    closeSync(top);
  }
}

/** Moves what a directory holds up into the top one, where it is an entry like any other. Returns how many were moved. */
function liftChildren(top: number, entry: Buffer, steps: number, maxSteps: number): number {
  let moved = 0;
  tried(() => {
    const child = openSync(entry, directoryOnly);
    try {
      for (const name of someNames(child, maxSteps - steps)) {
        const target = entryOf(top, `.lifted-${steps + moved}`);
        if (tried(() => renameSync(entryOf(child, name), target))) moved++;
      }
    } finally {
      closeSync(child);
    }
  });
  return moved;
}
