// SPDX-License-Identifier: Apache-2.0
//
// Registration by the kubelet's plugin watcher, on real sockets. Plugin registration API v1.

import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type RunningDevicePlugin, startDevicePlugin } from '../../../device-plugin/plugin.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { fileIdentity } from '../../../proto/socket-file.ts';
import { FakePluginWatcher } from '../../fakes/plugin-watcher.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { pluginConfig } from './plugin-config.ts';

const newRoot = temporaryRoots();
const resource = 'usvhost.io/port';
let root = '';
let paths: HostPaths;
let socket = '';
let watcher: FakePluginWatcher;
let plugin: RunningDevicePlugin;

beforeEach(() => {
  root = newRoot();
  paths = hostPaths(root);
  socket = join(paths.pluginsRegistryDir, 'usvhost.sock');
  watcher = new FakePluginWatcher({ root });
});

afterEach(async () => {
  await plugin.close();
  watcher.stop();
});

async function startPlugin(): Promise<void> {
  const config = pluginConfig({ root, registration: 'plugin-watcher' });
  plugin = await startDevicePlugin(config, { log: pino({ level: 'silent' }) });
}

const registered = (): Promise<void> =>
  watcher.until(() => plugin.registered && watcher.devices(resource)?.size === 4, 'four devices');

test('a kubelet finds the socket, is told what it needs, and nothing is in the other directory', async () => {
  watcher.start();
  await startPlugin();
  await registered();
  expect(watcher.infos).toEqual([
    { type: 'DevicePlugin', name: resource, endpoint: socket, supported_versions: ['v1beta1'] },
  ]);
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(existsSync(paths.devicePluginDir)).toBe(false);
});

test('a kubelet that comes later, and one that restarts', async () => {
  await startPlugin();
  expect(plugin.registered).toBe(false);
  watcher.start();
  await registered();
  watcher.stop();
  expect(watcher.devices(resource)).toBeUndefined();
  watcher.start();
  await registered();
});

test('a socket that is removed is made again', async () => {
  watcher.start();
  await startPlugin();
  await registered();
  rmSync(socket);
  await watcher.until(() => watcher.infos.length === 2, 'the second look');
  await registered();
});

test('a kubelet that drops us looks again, since the socket is new', async () => {
  watcher.start();
  await startPlugin();
  await registered();
  const before = fileIdentity(socket);
  watcher.drop(resource);
  await watcher.until(() => watcher.infos.length === 2, 'the second look');
  await registered();
  expect(fileIdentity(socket)).not.toBe(before);
});

test('a refusal leaves us unregistered until the kubelet accepts', async () => {
  watcher.refuseWith = 'not yet';
  watcher.start();
  await startPlugin();
  await watcher.until(() => watcher.infos.length === 1, 'the first look');
  expect(plugin.registered).toBe(false);
  watcher.refuseWith = undefined;
  watcher.retry();
  await registered();
});
