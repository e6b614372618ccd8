// SPDX-License-Identifier: Apache-2.0
//
// Directories of containers that the kubelet has kept over a boot: made again, and only where one is missing.

import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type RunningDevicePlugin, startDevicePlugin } from '../../../device-plugin/plugin.ts';
import { leadDevice } from '../../../device-plugin/pod-directory.ts';
import { agentConfigSchema } from '../../../lib/config/agent.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let kubelet: FakeKubelet;
let plugin: RunningDevicePlugin;
let paths: HostPaths;

beforeEach(async () => {
  const root = newRoot();
  paths = hostPaths(root);
  kubelet = await startFakeKubelet({ root });
  mkdirSync(paths.runDir, { recursive: true });
  const config = agentConfigSchema.parse({ root, ports: 8, podDirMode: 0o711, tunDevice: '/dev/null' });
  plugin = await startDevicePlugin(config, { log: pino({ level: 'silent' }) });
});

afterEach(async () => {
  await plugin.close();
  await kubelet.close();
});

const leads = (...devices: readonly string[]) => devices.map((device) => leadDevice(paths, device));

test('a boot has emptied /run: each container has its directory again, with owner and mode', async () => {
  await plugin.restore([['port-3', 'port-1'], [], ['port-2']]);
  expect(leads('port-1', 'port-2', 'port-3')).toEqual(['port-1', 'port-2', 'port-1']);
  expect(statSync(paths.podDir('port-1')).mode & 0o777).toBe(0o711);
});

test('what is there is left alone', async () => {
  await plugin.restore([['port-1', 'port-3']]);
  const file = join(paths.podDir('port-1'), 'kept');
  writeFileSync(file, '');
  rmSync(paths.podDir('port-3'));
  await plugin.restore([['port-1', 'port-3'], ['port-2']]);
  expect(statSync(file).isFile()).toBe(true);
  expect(leads('port-1', 'port-2', 'port-3')).toEqual(['port-1', 'port-2', undefined]);
});

test('a device is lost when it is one of ours without a directory', async () => {
  await plugin.restore([['port-1']]);
  const lost = ['port-1', 'port-2', 'port-99', '../port-2'].filter((device) => plugin.isLost(device));
  expect(lost).toEqual(['port-2']);
});

test('a device that is none of ours is refused', async () => {
  await expect(plugin.restore([['../port-1']])).rejects.toThrow();
  await expect(plugin.restore([['port-99']])).rejects.toMatchObject({ code: 'USV_DEVICE_UNKNOWN' });
});
