// SPDX-License-Identifier: Apache-2.0
//
// The control group of a cluster, one in each hierarchy of version 1. It is the root of all that the node sees of control groups, so
// that kubelet and runtime, which use fixed names, have them for themselves.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../cli/demo/process.ts';
import { errnoOf } from '../../../lib/errno.ts';
import { eventually } from '../../support/eventually.ts';
import { controllerSets } from './requirements.ts';

/** Makes the group, and calls `body` with the files that take a process into it. */
export async function withControlGroups<Value>(
  group: string,
  body: (files: readonly string[]) => Promise<Value>,
): Promise<Value> {
  return withHierarchies(async (roots) => {
    for (const root of roots) makeGroup(root, group);
    return body(roots.map((root) => join(root, group, 'cgroup.procs')));
  });
}

/** Ends what is left in the group and removes it, and all below it. @throws UsvhostError USV_HANDSHAKE when that cannot be done */
export async function removeControlGroups(group: string): Promise<void> {
  await withHierarchies(async (roots) => {
    const look = (): string[] => roots.map((root) => join(root, group)).filter((path) => !removeGroup(path));
    // A group stays busy for a moment after the end of its last process.
    await eventually(look, (busy) => busy.length === 0, 'empty control groups', { stepMillis: 50 });
  });
}

function makeGroup(root: string, group: string): void {
  const path = join(root, group);
  if (!existsSync(path)) mkdirSync(path);
  // A new group has none of these, and takes no process without (cgroup-v1/cpusets.rst, 1.9).
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    if (existsSync(join(root, file))) writeFileSync(join(path, file), readFileSync(join(root, file)));
}

/**
 * Calls `body` with the directory of each hierarchy. That of huge pages is mounted by a node alone, and stays alive without a
 * mount as long as it has groups: here it is mounted for a moment, since a node cannot begin a hierarchy from below.
 */
async function withHierarchies<Value>(body: (roots: readonly string[]) => Promise<Value>): Promise<Value> {
  const roots = hierarchies();
  const hugetlb = '/sys/fs/cgroup/hugetlb';
  if (roots.includes(hugetlb) || !controllerSets().includes('hugetlb')) return body(roots);
  const place = mkdtempSync(join(tmpdir(), 'usvhost-hugetlb-'));
  try {
    await run(['mount', '-t', 'cgroup', '-o', 'hugetlb', 'cgroup', place]);
    try {
      return await body([...roots, place]);
    } finally {
      // The node that starts meanwhile has it in its own table.
      await run(['umount', place]);
    }
  } finally {
    rmdirSync(place);
  }
}

/** Below /sys/fs/cgroup, of version 1. */
function hierarchies(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' - cgroup '))
    .map((line) => line.split(' ')[4] ?? '')
    .filter((place) => place.startsWith('/sys/fs/cgroup/'));
}

/** Leaves first; the files of a group go with it. False when one is still busy. */
function removeGroup(path: string): boolean {
  if (!existsSync(path)) return true;
  const below = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => removeGroup(join(path, entry.name)));
  return below.every(Boolean) && removeEmpty(path);
}

/** False when there is still a process in it. One is left when a start broke off before it was written down. */
function removeEmpty(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    if (!['ENOTEMPTY', 'EBUSY'].includes(errnoOf(error))) throw error;
  }
  const processes = readFileSync(join(group, 'cgroup.procs'), 'utf8').match(/[1-9]\d*/g) ?? [];
  for (const pid of processes) kill(Number(pid));
  return false;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
