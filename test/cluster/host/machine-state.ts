// SPDX-License-Identifier: Apache-2.0
//
// What of the machine itself a node changes, although it lives in namespaces: some sysctls, the pool of huge pages, control
// groups, mount points. Noted before, put back after, and looked for once more.

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
import * as z from 'zod';
import { run } from '../../../cli/demo/process.ts';
import { errnoOf } from '../../../lib/errno.ts';
import { eventually } from '../../support/eventually.ts';

/** Directories that a node has for itself, as tmpfs; the mount points must exist. */
export const privateDirectories = [
  '/run',
  '/etc/cdi',
  '/etc/cni',
  '/opt/cni',
  '/var/lib/cni',
  '/var/lib/containerd',
  '/var/lib/etcd',
  '/var/lib/kubelet',
  '/var/lib/usvhost',
  '/var/log/containers',
  '/var/log/pods',
];
/** The kubelet sets these for the whole machine. */
const sysctls = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];
const hugePages = '/proc/sys/vm/nr_hugepages';
/** 128 MiB where a huge page has 2 MiB. */
const wantedHugePages = 64;
/** Below each controller: made by the kubelet and by containerd. */
const groups = ['kubepods', 'k8s.io'];

export const machineStateSchema = z.object({
  sysctls: z.record(z.string(), z.string()),
  hugePagesAdded: z.number(),
  directoriesMade: z.array(z.string()),
  mounts: z.array(z.string()),
});
export type MachineState = z.output<typeof machineStateSchema>;

const read = (path: string): string => readFileSync(path, 'utf8').trim();

/** Notes what a node will change and adds huge pages. */
export function prepareMachine(): MachineState {
  const files = sysctls.map((name) => join('/proc/sys', name)).filter((path) => existsSync(path));
  const before = Object.fromEntries(files.map((path) => [path, read(path)]));
  const directoriesMade = [...privateDirectories, '/dev/hugepages'].filter((path) => !existsSync(path));
  for (const path of directoriesMade) mkdirSync(path);
  const hugePagesAdded = addHugePages(wantedHugePages);
  return { sysctls: before, hugePagesAdded, directoriesMade, mounts: mountsOfNode() };
}

/** Where in the machine's own mount table something is mounted that a node has for itself. */
function mountsOfNode(): string[] {
  const places = read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  const own = [...privateDirectories, '/dev/hugepages', '/sys/fs/cgroup/hugetlb'];
  return places.filter((place) => own.includes(place));
}

/** The pool belongs to everybody on the machine: what counts is by how much it grew. */
function addHugePages(count: number): number {
  const before = Number(read(hugePages));
  writeFileSync(hugePages, String(before + count));
  return Number(read(hugePages)) - before;
}

/** Puts everything back. The node is gone by now. */
export async function restoreMachine(state: MachineState): Promise<void> {
  if (state.hugePagesAdded !== 0) addHugePages(-state.hugePagesAdded);
  for (const [path, value] of Object.entries(state.sysctls))
    if (read(path) !== value) writeFileSync(path, value);
  for (const directory of state.directoriesMade.toReversed()) removeEmpty(directory);
  const removed = async (): Promise<boolean> =>
    withControlGroups((roots) =>
      roots.flatMap((root) => groups.map((group) => removeGroup(join(root, group)))).every(Boolean),
    );
  // A group stays busy for a moment after the end of its last process.
  await eventually(removed, Boolean, 'empty control groups', { stepMillis: 50 });
}

/** What is not as it was, by kind; empty when all is well. */
export async function leftovers(state: MachineState): Promise<string[]> {
  const changed = Object.entries(state.sysctls)
    .filter(([path, value]) => read(path) !== value)
    .map(([path, value]) => `${path}: ${read(path)}, was ${value}`);
  const directories = state.directoriesMade
    .filter((path) => existsSync(path))
    .map((path) => `directory ${path}`);
  const mounts = mountsOfNode()
    .filter((place) => !state.mounts.includes(place))
    .map((place) => `mount ${place}`);
  const left = await withControlGroups((roots) =>
    roots.flatMap((root) => groups.map((group) => join(root, group))).filter((path) => existsSync(path)),
  );
  return [...changed, ...directories, ...mounts, ...left.map((path) => `control group ${path}`)];
}

/**
 * Control groups by their controllers' directories. That of huge pages is mounted by a node alone, and stays alive without a
 * mount as long as it has groups: here it is mounted for a moment.
 */
async function withControlGroups<Value>(body: (roots: readonly string[]) => Value): Promise<Value> {
  const roots = readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name));
  if (existsSync('/sys/fs/cgroup/hugetlb')) return body(roots);
  const place = mkdtempSync(join(tmpdir(), 'usvhost-hugetlb-'));
  try {
    await run(['mount', '-t', 'cgroup', '-o', 'hugetlb', 'cgroup', place]);
    try {
      return body([...roots, place]);
    } finally {
      await run(['umount', place]);
    }
  } finally {
    rmdirSync(place);
  }
}

/** Leaves first; the files of a group go with it. False when one is still busy. */
function removeGroup(path: string): boolean {
  if (!existsSync(path)) return true;
  const below = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => removeGroup(join(path, entry.name)));
  return below.every(Boolean) && removeEmpty(path);
}

/** False when it is in use: somebody else's by now, or a group of processes that are just ending. */
function removeEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (['ENOTEMPTY', 'EBUSY'].includes(errnoOf(error))) return false;
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return true;
}
