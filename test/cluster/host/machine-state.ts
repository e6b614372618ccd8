// SPDX-License-Identifier: Apache-2.0
//
// What of the machine itself a node changes, although it lives in namespaces: some sysctls, the pool of huge pages, mount points.
// The first cluster notes it, each further one adds its part, the last one puts it back and looks once more. All of it under
// the lock of clusters.

import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { errnoOf } from '../../../lib/errno.ts';
import { clustersDirectory } from '../paths.ts';

/** Directories that a node has for itself, as tmpfs; the mount points must exist. */
export const privateDirectories = [
  '/run',
  '/dev/shm',
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
const mountPoints = [...privateDirectories, '/dev/hugepages'];
/** The kubelet sets these for the whole machine. */
const sysctls = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];
/** For each cluster; 128 MiB where a huge page has 2 MiB. */
const wantedHugePages = 64;

const noteSchema = z.object({
  sysctls: z.record(z.string(), z.string()),
  /** By how much each cluster let the pool grow. */
  hugePages: z.record(z.string(), z.number()),
  directoriesMade: z.array(z.string()),
  mounts: z.array(z.string()),
});
type Note = z.output<typeof noteSchema>;

interface Places {
  /** Default: the machine's own. */
  readonly root?: string;
  /** What is known of the time before the first cluster. Default: beside the clusters' states. */
  readonly note?: string;
}

export class Machine {
  readonly #root: string;
  readonly #note: string;

  constructor({ root = '/', note = join(clustersDirectory, 'machine.json') }: Places = {}) {
    this.#root = root;
    this.#note = note;
  }

  /** Notes what a cluster's node will change, and adds huge pages for it. `others` are the clusters that live. */
  enter(cluster: string, others: readonly string[]): void {
    // Nobody is there who could still put back what clusters that broke off have changed.
    if (others.length === 0) this.#putBack();
    const before = this.#read() ?? this.#look();
    const missing = mountPoints.filter((path) => !existsSync(this.#path(path)));
    const note = { ...before, directoriesMade: [...before.directoriesMade, ...missing] };
    this.#write(note);
    for (const path of missing) mkdirSync(this.#path(path), { recursive: true });
    const added = this.#growHugePages(wantedHugePages);
    this.#write({ ...note, hugePages: { ...note.hugePages, [cluster]: added } });
  }

  /**
   * Takes back the cluster's part, and with the last one that lives everything. Its node is gone by now. Returns what is not as it
   * was before, by kind: empty when all is well.
   */
  leave(cluster: string, others: readonly string[]): string[] {
    if (others.length === 0) return this.#putBack();
    const note = this.#read();
    const { [cluster]: own, ...rest } = note?.hugePages ?? {};
    if (note === undefined || own === undefined) return [];
    this.#growHugePages(-own);
    this.#write({ ...note, hugePages: rest });
    return [];
  }

  #look(): Note {
    const known = sysctls.filter((name) => existsSync(this.#sysctl(name)));
    const values = Object.fromEntries(known.map((name) => [name, read(this.#sysctl(name))]));
    return { sysctls: values, hugePages: {}, directoriesMade: [], mounts: this.#mounts() };
  }

  #putBack(): string[] {
    const note = this.#read();
    if (note === undefined) return [];
    const pages = Object.values(note.hugePages).reduce((sum, each) => sum + each, 0);
    this.#growHugePages(-pages);
    for (const [name, value] of Object.entries(note.sysctls))
      if (read(this.#sysctl(name)) !== value) writeFileSync(this.#sysctl(name), value);
    for (const directory of note.directoriesMade.toReversed()) removeEmpty(this.#path(directory));
    rmSync(this.#note);
    return this.#leftovers(note);
  }

  #leftovers(note: Note): string[] {
    const changed = Object.entries(note.sysctls)
      .filter(([name, value]) => read(this.#sysctl(name)) !== value)
      .map(([name, value]) => `${name}: ${read(this.#sysctl(name))}, was ${value}`);
    const directories = note.directoriesMade.filter((path) => existsSync(this.#path(path)));
    const mounts = this.#mounts().filter((place) => !note.mounts.includes(place));
    return [
      ...changed,
      ...directories.map((path) => `directory ${path}`),
      ...mounts.map((place) => `mount ${place}`),
    ];
  }

  /** Where in the machine's own mount table something is mounted that a node has for itself. */
  #mounts(): string[] {
    const lines = read(this.#path('/proc/self/mountinfo')).split('\n');
    const places = lines.map((line) => line.split(' ')[4] ?? '');
    return places.filter((place) => [...mountPoints, '/sys/fs/cgroup/hugetlb'].includes(place));
  }

  /** The pool belongs to everybody on the machine: what counts is by how much it grew. */
  #growHugePages(count: number): number {
    if (count === 0) return 0;
    const file = this.#sysctl('vm/nr_hugepages');
    const before = Number(read(file));
    writeFileSync(file, String(before + count));
    return Number(read(file)) - before;
  }

  #read(): Note | undefined {
    return existsSync(this.#note) ? noteSchema.parse(JSON.parse(read(this.#note))) : undefined;
  }

  #write(note: Note): void {
    mkdirSync(dirname(this.#note), { recursive: true, mode: 0o700 });
    writeFileSync(this.#note, JSON.stringify(note));
  }

  #sysctl(name: string): string {
    return this.#path(join('/proc/sys', name));
  }

  #path(path: string): string {
    return join(this.#root, path);
  }
}

const read = (path: string): string => readFileSync(path, 'utf8').trim();

/** Somebody else's by now when it is in use. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!['ENOTEMPTY', 'EBUSY', 'ENOENT'].includes(errnoOf(error))) throw error;
  }
}
