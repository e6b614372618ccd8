// SPDX-License-Identifier: Apache-2.0
//
// Memory slices against a kubelet on real sockets and real tmpfs and hugetlbfs files: made before they are offered, told
// of when they cannot be, given out fresh.

import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { DevicePluginSlices } from '../../../device-plugin/offers.ts';
import {
  type DevicePluginDeps,
  type RunningDevicePlugin,
  startDevicePlugin,
} from '../../../device-plugin/plugin.ts';
import { hostPaths } from '../../../lib/names.ts';
import { shimFile } from '../../../native/shim-file.ts';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { mountHugepages, sharedMemoryDirectories } from '../../fakes/shared-memory.ts';
import { pluginConfig } from './plugin-config.ts';

const newMemory = sharedMemoryDirectories();
const mebibyte = 1024 * 1024;
const resource = 'usvhost.io/shm-4Mi';

describe('memory slices', () => {
  const stops: (() => Promise<void> | void)[] = [];
  let root = '';
  let memory = '';
  let kubelet: FakeKubelet;
  let warnings: EventEmitter;
  let warned: Promise<Record<string, unknown>[]>;

  beforeEach(async () => {
    root = newMemory();
    memory = newMemory();
    warnings = new EventEmitter();
    warned = once(warnings, 'warning');
    kubelet = await startFakeKubelet({ root });
    stops.push(() => kubelet.close());
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function startPlugin(
    slices: Partial<DevicePluginSlices> = {},
    deps: Partial<DevicePluginDeps> = {},
  ): Promise<RunningDevicePlugin> {
    const lines = { write: (line: string) => warnings.emit('warning', JSON.parse(line)) };
    const pool = { kind: 'shm', sizeMi: 4, count: 3, directory: memory, numaNodes: [], ...slices } as const;
    const plugin = await startDevicePlugin(pluginConfig({ root, slices: [pool] }), {
      log: pino({ level: 'warn' }, lines),
      ...deps,
    });
    stops.push(() => plugin.close());
    return plugin;
  }

  const healthy = async (count: number, of: string = resource): Promise<void> => {
    const look = (): number =>
      [...(kubelet.devices(of)?.values() ?? [])].filter((health) => health === 'Healthy').length;
    await kubelet.until(() => look() === count, `${count} healthy slices`);
  };

  const file = (id: string): string => join(memory, 'usvhost/shm-4Mi', id);

  function firstBytes(path: string): string {
    const bytes = Buffer.alloc(8);
    const fd = openSync(path, 'r');
    readSync(fd, bytes, 0, 8, 0);
    closeSync(fd);
    return bytes.toString('latin1');
  }

  test('each is a resource of its own beside the ports, whole and allocated before it is healthy', async () => {
    await startPlugin();
    await healthy(3);
    expect(await kubelet.capacity('usvhost.io/port')).toBe(4);
    expect(kubelet.registrations.map(({ endpoint, resource_name: name }) => [endpoint, name])).toEqual([
      ['usvhost.sock', 'usvhost.io/port'],
      ['usvhost-shm-4Mi.sock', resource],
    ]);
    for (const id of ['shm-4Mi-0', 'shm-4Mi-1', 'shm-4Mi-2']) {
      const { size, blocks, mode } = statSync(file(id));
      expect({ size, allocated: blocks * 512, mode: mode & 0o777 }).toEqual({
        size: 4 * mebibyte,
        allocated: 4 * mebibyte,
        mode: 0o666,
      });
    }
    for (const directory of ['usvhost', 'usvhost/shm-4Mi'])
      expect(statSync(join(memory, directory)).mode & 0o777).toBe(0o700);
  });

  test('a container gets one mount for each, and variables that name them', async () => {
    await startPlugin();
    await healthy(3);
    const { response } = await kubelet.allocate(resource, 2);
    expect(response).toMatchObject({
      envs: {
        USVHOST_CONTRACT: '1',
        USVHOST_MEM: '/var/run/usvhost/mem',
        USVHOST_MEM_SHM_4MI: '/var/run/usvhost/mem/shm-4Mi-0,/var/run/usvhost/mem/shm-4Mi-1',
      },
      mounts: ['shm-4Mi-0', 'shm-4Mi-1'].map((id) => ({
        container_path: `/var/run/usvhost/mem/${id}`,
        host_path: file(id),
        read_only: false,
      })),
      annotations: { [resource]: 'shm-4Mi-0,shm-4Mi-1' },
    });
    await expect(kubelet.allocateDevices(resource, [['shm-4Mi-3']])).rejects.toMatchObject({
      code: 'USV_DEVICE_UNKNOWN',
    });
  });

  test('what a pod wrote is never seen by the next, nor what it still has open', async () => {
    await startPlugin({ count: 1 });
    await healthy(1);
    const first = await kubelet.allocate(resource, 1);
    const before = statSync(file('shm-4Mi-0')).ino;
    writeFileSync(file('shm-4Mi-0'), 'password', { flag: 'r+' });
    const kept = openSync(file('shm-4Mi-0'), 'r+');
    kubelet.release(resource, first.devices);
    await kubelet.allocate(resource, 1);
    expect(firstBytes(file('shm-4Mi-0'))).toBe('\0'.repeat(8));
    expect(statSync(file('shm-4Mi-0'))).toMatchObject({ size: 4 * mebibyte, blocks: (4 * mebibyte) / 512 });
    expect(statSync(file('shm-4Mi-0')).ino).not.toBe(before);
    // The memory of the old file is free, although it is open.
    expect(readFileSync(kept)).toHaveLength(0);
    closeSync(kept);
  });

  test('a file that somebody removed is made again before it is given out', async () => {
    await startPlugin();
    await healthy(3);
    rmSync(join(memory, 'usvhost'), { recursive: true });
    const { devices } = await kubelet.allocate(resource, 2);
    for (const id of devices) expect(statSync(file(id)).size).toBe(4 * mebibyte);
  });

  test('slices that were never used are preferred', async () => {
    await startPlugin();
    await healthy(3);
    const { devices } = await kubelet.allocate(resource, 1);
    kubelet.release(resource, devices);
    expect((await kubelet.allocate(resource, 2)).devices).toEqual(['shm-4Mi-1', 'shm-4Mi-2']);
  });

  test('files outlive the agent, are healthy at once, and count as used', async () => {
    const plugin = await startPlugin({ count: 2 });
    await healthy(2);
    writeFileSync(file('shm-4Mi-1'), 'password', { flag: 'r+' });
    await plugin.close();
    writeFileSync(`${file('shm-4Mi-0')}.new`, 'left by a crash');
    writeFileSync(file('shm-4Mi-7'), 'of a larger pool');
    await startPlugin({ count: 2 });
    await healthy(2);
    expect(readdirSync(join(memory, 'usvhost/shm-4Mi')).sort()).toEqual(['shm-4Mi-0', 'shm-4Mi-1']);
    expect(firstBytes(file('shm-4Mi-1'))).toBe('password');
    await kubelet.allocateDevices(resource, [['shm-4Mi-1']]);
    expect(firstBytes(file('shm-4Mi-1'))).toBe('\0'.repeat(8));
  });

  test('slices of a pool that is configured no more are removed, what is no pool stays', async () => {
    const plugin = await startPlugin({ count: 1 });
    await healthy(1);
    await plugin.close();
    mkdirSync(join(memory, 'usvhost/notes'));
    await startPlugin({ sizeMi: 8, count: 1 });
    await healthy(1, 'usvhost.io/shm-8Mi');
    expect(readdirSync(join(memory, 'usvhost')).sort()).toEqual(['notes', 'shm-8Mi']);
  });

  test('without room for all, those that were made are offered, and the log says why', async () => {
    // Room beside the reserve of 256 MiB: for two, then for one more at the next attempt.
    let left = 2;
    await startPlugin({}, { availableBytes: () => (256 + (left-- > 0 ? 4 : 3)) * mebibyte });
    await healthy(2);
    const [warning] = await warned;
    expect(warning).toMatchObject({ resource, unhealthy: 1, code: 'USV_MEMORY' });
    expect(String(warning?.['msg'])).toContain(`expected ${4 * mebibyte} free bytes`);
    expect(kubelet.devices(resource)?.get('shm-4Mi-2')).toBe('Unhealthy');
    expect(await kubelet.capacity('usvhost.io/port')).toBe(4);
    left = 1;
    await healthy(3);
  });

  test('a slice that cannot be made anew fails its pod, and is offered again when it can', async () => {
    let room = true;
    await startPlugin({ count: 1 }, { availableBytes: () => (room ? 1024 : 0) * mebibyte });
    await healthy(1);
    const { devices } = await kubelet.allocate(resource, 1);
    kubelet.release(resource, devices);
    room = false;
    await expect(kubelet.allocate(resource, 1)).rejects.toMatchObject({ code: 'USV_MEMORY' });
    await healthy(0);
    room = true;
    await healthy(1);
    await kubelet.allocate(resource, 1);
  });

  test.each([
    ['a directory that is no tmpfs', () => ({ directory: '/proc' }), 'expected tmpfs'],
    ['a directory that is not there', () => ({ directory: join(memory, 'x') }), 'ENOENT'],
    ['a NUMA node that is not there', () => ({ numaNodes: [1000] }), 'no NUMA node 1000'],
  ])('%s makes them unhealthy and leaves the ports', async (_, slices, reason) => {
    await startPlugin(slices());
    await kubelet.until(() => kubelet.registrations.length === 2, 'both resources');
    expect(await kubelet.capacity(resource)).toBe(0);
    expect(await kubelet.capacity('usvhost.io/port')).toBe(4);
    const [warning] = await warned;
    expect(String(warning?.['msg'])).toContain(reason);
  });

  test('the switch may be away: they do not need it', async () => {
    const plugin = await startPlugin({}, { graceMillis: 0 });
    await healthy(3);
    plugin.setHealth(true);
    plugin.setHealth(false);
    await healthy(0, 'usvhost.io/port');
    expect(await kubelet.capacity(resource)).toBe(3);
  });

  test("somebody else's directory is not used", async () => {
    mkdirSync(join(memory, 'usvhost'), { mode: 0o777 });
    await startPlugin();
    expect(await kubelet.capacity(resource)).toBe(0);
    expect(existsSync(file('shm-4Mi-0'))).toBe(false);
  });

  test('slices of a NUMA node are told with it', async () => {
    await startPlugin({ numaNodes: [0] });
    await healthy(3);
    expect(kubelet.numaNode(resource, 'shm-4Mi-1')).toBe(0);
    expect(statSync(file('shm-4Mi-1')).blocks * 512).toBe(4 * mebibyte);
  });

  test('a NUMA node without memory makes its own slices unhealthy only, wherever they stand in the pool', async () => {
    await startPlugin({ numaNodes: [1000, 0], count: 5 });
    await healthy(2);
    const health = (): unknown => Object.fromEntries(kubelet.devices(resource) ?? []);
    expect(health()).toEqual({
      'shm-4Mi-0': 'Unhealthy',
      'shm-4Mi-1': 'Healthy',
      'shm-4Mi-2': 'Unhealthy',
      'shm-4Mi-3': 'Healthy',
      'shm-4Mi-4': 'Unhealthy',
    });
    expect((await warned)[0]).toMatchObject({ resource, unhealthy: 3, code: 'USV_MEMORY' });
    const { devices } = await kubelet.allocate(resource, 2);
    expect(devices).toEqual(['shm-4Mi-1', 'shm-4Mi-3']);
  });

  describe('the program that allocates', () => {
    const allocate = (...args: readonly string[]): { status: number | null; stderr: string } =>
      spawnSync(shimFile, ['allocate', ...args], { encoding: 'utf8' });
    let path: string;

    beforeEach(() => {
      path = join(memory, 'slice');
      writeFileSync(path, '');
    });

    test('fills a file with memory of a node', () => {
      expect(allocate('0', String(mebibyte), path)).toMatchObject({ status: 0, stderr: '' });
      expect(statSync(path).blocks * 512).toBe(mebibyte);
    });

    test.each([
      ['a node that is not there', ['1000', '4096'], 'no NUMA node 1000'],
      ['more than there is', ['-', String(2 ** 60)], 'fallocate: '],
    ])('says why not: %s', (_, args, reason) => {
      const { status, stderr } = allocate(...args, path);
      expect([status, stderr]).toEqual([1, expect.stringContaining(reason)]);
      expect(statSync(path).blocks).toBe(0);
    });

    test('follows no link', () => {
      symlinkSync(path, `${path}-link`);
      expect(allocate('-', '4096', `${path}-link`).stderr).toContain('open: ');
    });

    test.each([[[]], [['x', '4096', 'f']], [['1024', '4096', 'f']], [['0', '-1', 'f']]])(
      'refuses %j',
      (args) => {
        expect(allocate(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining('usage') });
      },
    );
  });

  test('without a directory of their own they lie below the run directory', async () => {
    const { runDir, memDir } = hostPaths(root);
    mkdirSync(runDir, { recursive: true });
    await startPlugin({ directory: undefined });
    await healthy(3);
    const { response } = await kubelet.allocate(resource, 1);
    expect(response.mounts[0]?.host_path).toBe(join(memDir, 'shm-4Mi/shm-4Mi-0'));
  });

  test('huge pages are offered as far as the mount has them', async () => {
    const unmount = mountHugepages(memory, 8);
    if (unmount !== undefined) stops.unshift(unmount);
    const huge = 'usvhost.io/hugepages-4Mi';
    await startPlugin({ kind: 'hugepages' });
    // A mount of 8 MiB has two slices; without a mount there is the reason.
    await healthy(unmount === undefined ? 0 : 2, huge);
    if (unmount !== undefined) {
      expect((await kubelet.allocate(huge, 1)).response.envs).toMatchObject({
        USVHOST_MEM_HUGEPAGES_4MI: '/var/run/usvhost/mem/hugepages-4Mi-0',
      });
      await kubelet.allocateDevices(huge, [['hugepages-4Mi-0']]);
      expect(statSync(join(memory, 'usvhost/hugepages-4Mi/hugepages-4Mi-0')).size).toBe(4 * mebibyte);
    }
    const [warning] = await warned;
    expect(warning).toMatchObject({ resource: huge, unhealthy: unmount === undefined ? 3 : 1 });
  });
});
