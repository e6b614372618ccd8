// SPDX-License-Identifier: Apache-2.0
//
// The device plugin against a kubelet on real sockets: registration through every order of events, devices, health,
// allocation. Device plugin API v1beta1.

import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { DevicePluginConfig } from '../../../device-plugin/offers.ts';
import {
  type DevicePluginDeps,
  type RunningDevicePlugin,
  startDevicePlugin,
} from '../../../device-plugin/plugin.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { unary } from '../../../proto/call.ts';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { pluginConfig } from './plugin-config.ts';

const newRoot = temporaryRoots();
const resource = 'usvhost.io/port';
const stops: (() => Promise<void>)[] = [];
let root = '';
let paths: HostPaths;

beforeEach(() => {
  root = newRoot();
  paths = hostPaths(root);
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

type Graces = Pick<DevicePluginDeps, 'graceMillis' | 'startGraceMillis'>;

async function startPlugin(
  config: Partial<DevicePluginConfig> = {},
  graces: Graces = {},
): Promise<RunningDevicePlugin> {
  const plugin = await startDevicePlugin(pluginConfig({ root, ...config }), {
    log: pino({ level: 'silent' }),
    ...graces,
  });
  stops.push(() => plugin.close());
  return plugin;
}

async function startKubelet(): Promise<FakeKubelet> {
  const kubelet = await startFakeKubelet({ root });
  stops.push(() => kubelet.close());
  return kubelet;
}

/** What a killed process leaves: a socket file that nobody listens on. */
async function leaveDeadSocket(path: string): Promise<void> {
  const dead = createServer().listen(`${path}~`);
  linkSync(`${path}~`, path);
  await new Promise((resolve) => dead.close(resolve));
}

describe('starting', () => {
  test('a root too long for the sockets is refused before anything is made', async () => {
    const long = join(root, 'x'.repeat(60));
    await expect(startPlugin({ root: long })).rejects.toMatchObject({ code: 'USV_SOCKET_PATH' });
    expect(existsSync(long)).toBe(false);
  });

  test('a second plugin on the same root gets one clear error and leaves the first registered', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    await expect(startPlugin()).rejects.toMatchObject({
      code: 'USV_RUNNING',
      message: expect.stringContaining('usvhost.sock'),
    });
    expect(await kubelet.capacity(resource)).toBe(4);
    expect(kubelet.registrations).toHaveLength(1);
  });

  test('device information is there before the kubelet asks, and goes when the plugin does', async () => {
    await startKubelet();
    const plugin = await startPlugin();
    expect(readdirSync(paths.deviceInfoDir)).toHaveLength(4);
    await expect(startPlugin()).rejects.toMatchObject({ code: 'USV_RUNNING' });
    expect(readdirSync(paths.deviceInfoDir)).toHaveLength(4);
    await plugin.close();
    expect(readdirSync(paths.deviceInfoDir)).toEqual([]);
  });

  test('the socket of a plugin that was killed is replaced', async () => {
    mkdirSync(paths.devicePluginDir, { recursive: true });
    await leaveDeadSocket(paths.pluginSocket);
    await startPlugin();
    const kubelet = await startKubelet();
    expect(await kubelet.capacity(resource)).toBe(4);
  });

  test.each(['its directory is missing', 'its directory is empty', 'a dead socket is left of it'])(
    'without a kubelet it waits (%s), and registers when there is one',
    async (state) => {
      if (state !== 'its directory is missing') mkdirSync(paths.devicePluginDir, { recursive: true });
      if (state === 'a dead socket is left of it') await leaveDeadSocket(paths.kubeletSocket);
      const plugin = await startPlugin();
      expect(plugin.registered).toBe(false);
      const kubelet = await startKubelet();
      expect(await kubelet.capacity(resource)).toBe(4);
    },
  );

  test('registers what the API asks for, once', async () => {
    const kubelet = await startKubelet();
    const plugin = await startPlugin();
    expect(plugin.registered).toBe(true);
    expect(kubelet.registrations).toEqual([
      {
        version: 'v1beta1',
        endpoint: 'usvhost.sock',
        resource_name: resource,
        options: { pre_start_required: false, get_preferred_allocation_available: true },
      },
    ]);
    expect(statSync(paths.pluginSocket).mode & 0o777).toBe(0o600);
  });
});

describe('staying registered', () => {
  test('a refusal is repeated until it is accepted', async () => {
    const kubelet = await startKubelet();
    kubelet.refuseWith = 'not yet';
    const plugin = await startPlugin();
    await kubelet.until(() => kubelet.registrations.length >= 3, 'three attempts');
    expect(plugin.registered).toBe(false);
    kubelet.refuseWith = undefined;
    expect(await kubelet.capacity(resource)).toBe(4);
  });

  test('a kubelet that restarts, again and again, has the devices each time', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    for (let round = 1; round <= 3; round++) {
      await kubelet.capacity(resource);
      await kubelet.restart();
      expect(await kubelet.capacity(resource)).toBe(4);
    }
    expect(readdirSync(paths.devicePluginDir).sort()).toEqual(['kubelet.sock', 'usvhost.sock']);
  });

  test('a kubelet that stays away for a while', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    await kubelet.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await kubelet.start();
    expect(await kubelet.capacity(resource)).toBe(4);
  });

  test('the directory is removed and made again', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    await kubelet.stop();
    rmSync(paths.devicePluginDir, { recursive: true });
    await kubelet.start();
    expect(await kubelet.capacity(resource)).toBe(4);
  });

  test('our own socket vanishes while the kubelet stays', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    rmSync(paths.pluginSocket);
    await kubelet.until(() => kubelet.registrations.length === 2, 'the second registration');
    await kubelet.until(() => kubelet.devices(resource)?.size === 4, 'its devices');
    expect(existsSync(paths.pluginSocket)).toBe(true);
  });

  test('a kubelet that drops the stream without a restart is registered with again', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    kubelet.forget(resource);
    expect(await kubelet.capacity(resource)).toBe(4);
    expect(kubelet.registrations).toHaveLength(2);
  });

  test('a kubelet that restarts and is slow to call back is told once', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    await kubelet.stop();
    kubelet.callsBack = false;
    // The plugin waits for the lost stream now: it says so to nobody. Nor is there an event when no third registration comes.
    await wait(300);
    await kubelet.start();
    await kubelet.until(() => kubelet.registrations.length === 2, 'the second registration');
    await wait(1500);
    expect(kubelet.registrations).toHaveLength(2);
  });

  test('closing removes our socket, and no list takes the devices from running pods', async () => {
    const kubelet = await startKubelet();
    const plugin = await startPlugin();
    await kubelet.capacity(resource);
    const lists = kubelet.lists(resource);
    const last = kubelet.devices(resource);
    await plugin.close();
    await kubelet.until(() => kubelet.devices(resource) === undefined, 'the end of the stream');
    expect([lists, last?.size]).toEqual([1, 4]);
    expect(readdirSync(paths.devicePluginDir)).toEqual(['kubelet.sock']);
  });

  test('a plugin that comes back after a kill has the same devices', async () => {
    const kubelet = await startKubelet();
    const first = await startPlugin();
    await kubelet.capacity(resource);
    const before = [...(kubelet.devices(resource)?.keys() ?? [])];
    await first.close();
    await startPlugin();
    await kubelet.capacity(resource);
    expect([...(kubelet.devices(resource)?.keys() ?? [])]).toEqual(before);
  });
});

describe('health', () => {
  test('a switch that does not come within the grace of the start makes every device unhealthy', async () => {
    const kubelet = await startKubelet();
    const plugin = await startPlugin({}, { startGraceMillis: 50 });
    expect(await kubelet.capacity(resource)).toBe(4);
    await kubelet.until(() => kubelet.lists(resource) === 2, 'the second list');
    expect(await kubelet.capacity(resource)).toBe(0);
    expect(kubelet.devices(resource)?.size).toBe(4);
    plugin.setHealth(true);
    await kubelet.until(() => kubelet.lists(resource) === 3, 'the third list');
    expect(await kubelet.capacity(resource)).toBe(4);
  });

  test('a switch that goes is told after the grace, one that comes back within it never', async () => {
    const kubelet = await startKubelet();
    const plugin = await startPlugin({}, { graceMillis: 50 });
    plugin.setHealth(true);
    plugin.setHealth(false);
    plugin.setHealth(true);
    await kubelet.capacity(resource);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(kubelet.lists(resource)).toBe(1);
    plugin.setHealth(false);
    await kubelet.until(() => kubelet.lists(resource) === 2, 'the second list');
    expect(await kubelet.capacity(resource)).toBe(0);
  });

  test('a kubelet that restarts meanwhile hears the present health', async () => {
    const kubelet = await startKubelet();
    await startPlugin({}, { startGraceMillis: 0 });
    await kubelet.until(() => kubelet.devices(resource)?.get('port-3') === 'Unhealthy', 'unhealthy devices');
    await kubelet.restart();
    expect(await kubelet.capacity(resource)).toBe(0);
  });
});

describe('allocation', () => {
  test('unknown devices and names that lead elsewhere are refused with their code', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    for (const id of ['port-4', '../x', '']) {
      await expect(kubelet.allocateDevices(resource, [[id]])).rejects.toMatchObject({
        code: 'USV_DEVICE_UNKNOWN',
      });
    }
    expect(existsSync(paths.podsDir)).toBe(false);
  });

  test('pods get different directories until there are no more devices; released ones are given again', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    const first = await kubelet.allocate(resource, 1);
    const second = await kubelet.allocate(resource, 3);
    await expect(kubelet.allocate(resource, 1)).rejects.toThrow('0 of 1 devices');
    expect(second.response.envs['USVHOST_DEVICES']).toBe('port-1,port-2,port-3');
    const directories = [first, second].map(({ response }) => response.mounts[0]?.host_path ?? '');
    expect(directories).toEqual([paths.podDir('port-0'), paths.podDir('port-1')]);
    for (const directory of directories) expect(statSync(directory).mode & 0o777).toBe(0o755);
    kubelet.release(resource, first.devices);
    expect((await kubelet.allocate(resource, 1)).devices).toEqual(first.devices);
  });

  test('ports have their NUMA node, and a container gets ports of one', async () => {
    const kubelet = await startKubelet();
    await startPlugin({ portNumaNodes: [0, 1] });
    expect((await kubelet.allocate(resource, 2)).devices).toEqual(['port-0', 'port-2']);
    expect(['port-0', 'port-1'].map((id) => kubelet.numaNode(resource, id))).toEqual([0, 1]);
  });

  test('devices stay allocated over restarts of the kubelet', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.allocate(resource, 2);
    await kubelet.restart();
    expect((await kubelet.allocate(resource, 2)).devices).toEqual(['port-2', 'port-3']);
  });

  test('the other calls of the API answer', async () => {
    const kubelet = await startKubelet();
    await startPlugin();
    await kubelet.capacity(resource);
    const client = kubelet.client(resource);
    const peer = { peer: 'the plugin', unreachable: 'USV_KUBELET' } as const;
    expect(await unary((done) => client.GetDevicePluginOptions({}, done), peer)).toEqual({
      pre_start_required: false,
      get_preferred_allocation_available: true,
    });
    expect(await unary((done) => client.PreStartContainer({ devices_ids: ['port-0'] }, done), peer)).toEqual(
      {},
    );
    await expect(
      unary((done) => client.PreStartContainer({ devices_ids: ['x'] }, done), peer),
    ).rejects.toMatchObject({
      code: 'USV_DEVICE_UNKNOWN',
    });
  });
});
