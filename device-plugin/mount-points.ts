// SPDX-License-Identifier: Apache-2.0
//
// Which directories have something mounted on them, from the kernel's own table (proc_pid_mountinfo(5)). It only reads.

import { readFileSync, realpathSync } from 'node:fs';
import { usvFailure } from '../lib/errors.ts';

/** Undoes the kernel's escapes: space, tab, newline and backslash are written as a backslash and three octal digits. */
export function unescapePath(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount points at or below `directory`, of which every symbolic link must be resolved, in a mountinfo text. */
export function mountPointsIn(mountinfo: string, directory: string): string[] {
  const points = mountinfo.split('\n').flatMap((line) => {
    // Fields: mount id, parent id, major:minor, root, mount point, …
    const field = line.split(' ')[4];
    return field === undefined ? [] : [unescapePath(field)];
  });
  return points.filter((point) => point === directory || point.startsWith(`${directory}/`));
}

/** The mount points at or below an existing directory in this process's mount namespace. Throws USV_IO. */
export function mountPointsBelow(directory: string): string[] {
  try {
    return mountPointsIn(readFileSync('/proc/self/mountinfo', 'utf8'), realpathSync(directory));
  } catch (error) {
    throw usvFailure('USV_IO', `cannot find what is mounted below ${directory}: ${String(error)}`, {
      cause: error,
    });
  }
}
