// SPDX-License-Identifier: Apache-2.0
//
// Says when something in a directory changed, also when the directory itself comes, goes or is replaced: then the
// nearest ancestor that exists is watched. It never says what changed; the listener looks for itself. inotify(7) by
// fs.watch, no polling.

import { type FSWatcher, lstatSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from './errno.ts';

export interface DirectoryWatch {
  close(): void;
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function nearestExisting(path: string): string {
  let candidate = path;
  while (inodeOf(candidate) === undefined && dirname(candidate) !== candidate) candidate = dirname(candidate);
  return candidate;
}

/** Calls `onChange` after each change in `directory`. Errors of the watch itself are given to `onError`. */
export function watchDirectory(
  directory: string,
  onChange: () => void,
  onError: (error: Error) => void,
): DirectoryWatch {
  let watcher: FSWatcher | undefined;
  let watched = { path: '', inode: undefined as bigint | undefined };
  let closed = false;

  const arm = (): void => {
    if (closed) return;
    const path = nearestExisting(directory);
    const inode = inodeOf(path);
    if (path === watched.path && inode === watched.inode) return;
    watcher?.close();
    watcher = undefined;
    try {
      watcher = watch(path, event);
    } catch (error) {
      // Gone between the look and the watch: look again. The root directory always exists, so this ends.
      if (errnoOf(error) === 'ENOENT') {
        watched = { path: '', inode: undefined };
        arm();
        return;
      }
      throw error;
    }
    watcher.on('error', onError);
    watched = { path, inode };
    // Something may have been made below between the look and the watch.
    arm();
  };
  const event = (): void => {
    if (closed) return;
    arm();
    onChange();
  };

  arm();
  return {
    close: () => {
      closed = true;
      watcher?.close();
    },
  };
}
