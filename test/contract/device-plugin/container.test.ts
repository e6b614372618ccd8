// SPDX-License-Identifier: Apache-2.0
//
// What Allocate answers, in a container of the real runc: the pod's directory is read-only to the pod's root, with all
// capabilities that containers usually have; ports below it are as they were bound, and slices are mounted in it.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type RunningDevicePlugin, startDevicePlugin } from '../../../device-plugin/plugin.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import type { ContainerAllocateResponse__Output } from '../../../proto/gen/v1beta1/ContainerAllocateResponse.ts';
import { findProgram } from '../../../scripts/packages.ts';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { sharedMemoryDirectories } from '../../fakes/shared-memory.ts';
import { groupNeeds } from '../../support/need.ts';
import { pluginConfig } from './plugin-config.ts';

const ports = 'usvhost.io/port';
const slices = 'usvhost.io/shm-2Mi';
/** What runtimes give to root in a container. */
const capabilities = [
  ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_KILL', 'CAP_MKNOD'],
  ...['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW', 'CAP_SETGID', 'CAP_SETPCAP', 'CAP_SETUID', 'CAP_SYS_CHROOT'],
];
const newMemory = sharedMemoryDirectories();

groupNeeds(
  'runc',
  'busybox',
  'unshare',
)('in a container', () => {
  let paths: HostPaths;
  let kubelet: FakeKubelet;
  let plugin: RunningDevicePlugin;

  beforeEach(async () => {
    paths = hostPaths(newMemory());
    kubelet = await startFakeKubelet({ root: paths.root });
    const pool = { kind: 'shm', sizeMi: 2, count: 3, numaNodes: [], directory: newMemory() } as const;
    const config = pluginConfig({ root: paths.root, slices: [pool] });
    plugin = await startDevicePlugin(config, { log: pino({ level: 'silent' }) });
    const healthy = (): string[] => [...(kubelet.devices(slices)?.values() ?? [])];
    await kubelet.until(() => healthy().length === 3 && !healthy().includes('Unhealthy'), 'slices');
  });

  afterEach(async () => {
    await plugin.close();
    await kubelet.close();
  });

  /** A bundle of runc with the mounts of these answers, in the order in which container runtimes make them. */
  function bundle(answers: readonly ContainerAllocateResponse__Output[], script: string): string {
    const directory = join(paths.root, 'bundle');
    for (const name of ['bin', 'proc', 'run', 'var'])
      mkdirSync(join(directory, 'rootfs', name), { recursive: true });
    symlinkSync('../run', join(directory, 'rootfs/var/run'));
    copyFileSync(findProgram('busybox') ?? '', join(directory, 'rootfs/bin/busybox'));
    symlinkSync('busybox', join(directory, 'rootfs/bin/sh'));
    const mounts = answers
      .flatMap((answer) => answer.mounts)
      .toSorted((a, b) => a.container_path.length - b.container_path.length)
      .map(({ container_path: destination, host_path: source, read_only }) => ({
        destination,
        source,
        type: 'bind',
        options: ['rbind', 'rprivate', read_only ? 'ro' : 'rw'],
      }));
    const sets = ['bounding', 'effective', 'permitted'].map((set) => [set, capabilities]);
    const config = {
      ociVersion: '1.0.2',
      process: {
        user: { uid: 0, gid: 0 },
        args: ['sh', '-c', script],
        env: ['PATH=/bin'],
        cwd: '/',
        capabilities: Object.fromEntries(sets),
      },
      root: { path: 'rootfs', readonly: true },
      mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }, ...mounts],
      linux: { namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
    };
    writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
    return directory;
  }

  test("the pod's root can write into what is the pod's, and into nothing of the node's", async () => {
    const port = await kubelet.allocate(ports, 1);
    const memory = await kubelet.allocate(slices, 2);
    const podDirectory = port.response.mounts[0]?.host_path ?? '';
    // As CNI ADD binds the ports of a pod that connects (net1) and of one that listens (net2).
    const bound = ['net1', 'net2'].map((name) => join(paths.root, name));
    for (const directory of bound) {
      mkdirSync(directory);
      writeFileSync(join(directory, 'port.json'), '{}');
      mkdirSync(join(podDirectory, directory.slice(-4)));
    }
    const before = readdirSync(podDirectory, { recursive: true }).toSorted();
    const [first = '', second = ''] = memory.devices;
    const script = `
      cd /var/run/usvhost
      try() { if sh -c "$1" 2>/dev/null; then echo "$1: yes"; else echo "$1: no"; fi; }
      try 'echo x > file'
      try 'busybox mkdir directory'
      try 'busybox chmod 777 .'
      try 'busybox chown 1000 .'
      try 'busybox rm mem/shm-2Mi-2'
      try 'echo x > mem/shm-2Mi-2'
      try 'busybox mv mem other'
      try 'echo x > net1/file'
      try 'busybox rm net1/port.json'
      try 'echo x > net2/file'
      try 'echo first | busybox dd of=mem/${first} conv=notrunc'
      try 'echo second | busybox dd of=mem/${second} conv=notrunc'`;
    const made = bundle([port.response, memory.response], script);
    const mountScript = `
      mount --bind -o ro "$1/net1" "$2/net1"; mount -o remount,bind,ro "$2/net1"
      mount --bind "$1/net2" "$2/net2"
      exec runc --root "$1/runc" run --bundle "$3" usvhost-test-$$`;
    const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
    const walls = ['--mount', '--propagation', 'private', '--', 'sh', '-ec', mountScript, 'sh'];
    const run = spawnSync('unshare', [...user, ...walls, paths.root, podDirectory, made], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect({ status: run.status, stderr: run.stderr }).toEqual({ status: 0, stderr: '' });
    const answers = run.stdout.trim().split('\n');
    expect(answers.filter((line) => line.endsWith(': yes'))).toEqual([
      'echo x > net2/file: yes',
      `echo first | busybox dd of=mem/${first} conv=notrunc: yes`,
      `echo second | busybox dd of=mem/${second} conv=notrunc: yes`,
    ]);
    expect(answers).toHaveLength(12);
    expect(readdirSync(podDirectory, { recursive: true }).toSorted()).toEqual(before);
    const written = memory.response.mounts.map(({ host_path }) =>
      readFileSync(host_path, 'latin1').slice(0, 6).trim(),
    );
    expect(written).toEqual(['first', 'second']);
  }, 60_000);
});
