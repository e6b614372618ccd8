// SPDX-License-Identifier: Apache-2.0
//
// The node's view of the file system: the machine's, with everything that a node writes to in memory of its own.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../cli/demo/process.ts';
import { privateDirectories } from '../host/machine-state.ts';
import { controllerSets } from '../host/requirements.ts';

/** @throws UsvhostError USV_IO with what mount said */
export async function makeMounts(): Promise<void> {
  // Nothing gets out, but pods with Bidirectional mounts need propagation within.
  await run(['mount', '--make-rprivate', '/']);
  await run(['mount', '--make-rshared', '/']);
  // sysfs shows the network of whoever mounts it.
  await run(['umount', '--lazy', '/sys']);
  await run(['mount', '-t', 'sysfs', 'sysfs', '/sys']);
  await mountControlGroups();
  for (const directory of privateDirectories) await tmpfs(directory);
  await run(['chmod', '1777', '/dev/shm']);
  await run(['mount', '-t', 'hugetlbfs', 'hugetlbfs', '/dev/hugepages']);
  for (const directory of ['/run/lock', '/run/netns', '/etc/cni/net.d', '/opt/cni/bin'])
    mkdirSync(directory, { recursive: true });
}

/** The same hierarchies as outside, so that pods are limited by the machine's own controllers; seen from the cluster's own group. */
async function mountControlGroups(): Promise<void> {
  const top = '/sys/fs/cgroup';
  await tmpfs(top);
  for (const set of controllerSets()) {
    const place = join(top, set.replace('name=', ''));
    mkdirSync(place);
    const options = set.includes('=') ? `none,${set}` : set;
    await run(['mount', '-t', 'cgroup', '-o', options, 'cgroup', place]);
  }
}

async function tmpfs(directory: string): Promise<void> {
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true });
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', directory]);
}
