// SPDX-License-Identifier: Apache-2.0
//
// The device plugin inside the agent, between a kubelet and a switch: what the one offers follows whether the other is
// there.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type AgentDaemon, startAgent } from '../../../agent/daemon.ts';
import { leadDevice } from '../../../device-plugin/pod-directory.ts';
import { agentConfigSchema } from '../../../lib/config/agent.ts';
import { hostPaths } from '../../../lib/names.ts';
import type { SwitchDaemon } from '../../../switch/daemon.ts';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { startTestSwitch } from '../switch/control-client.ts';

const newRoot = temporaryRoots();
const resource = 'usvhost.io/port';
const log = pino({ level: 'silent' });
let root = '';
let kubelet: FakeKubelet;
let agent: AgentDaemon;
let daemon: SwitchDaemon;

beforeEach(async () => {
  root = newRoot();
  kubelet = await startFakeKubelet({ root });
  daemon = await startTestSwitch(root);
  agent = await startAgent(agentConfigSchema.parse({ root, ports: 8, tunDevice: '/dev/null' }), {
    log,
    bootId: 'boot-1',
  });
});

afterEach(async () => {
  await agent.close();
  await daemon.close();
  await kubelet.close();
});

test('ports are offered, given out with one directory for all devices of a container, and offered by the next agent', async () => {
  expect(await kubelet.capacity(resource)).toBe(8);
  const { devices, response } = await kubelet.allocate(resource, 2);
  const paths = hostPaths(root);
  expect(response.mounts).toMatchObject([{ host_path: paths.podDir('port-0') }]);
  expect(devices.map((device) => leadDevice(paths, device))).toEqual(['port-0', 'port-0']);

  await agent.close();
  await kubelet.until(() => kubelet.devices(resource) === undefined, 'the end of the first agent');
  agent = await startAgent(agentConfigSchema.parse({ root, ports: 8, tunDevice: '/dev/null' }), {
    log,
    bootId: 'boot-1',
  });
  expect((await kubelet.allocate(resource, 1)).devices).toEqual(['port-2']);
});

test('a restart of the switch does not show; its absence does, until it is back', async () => {
  expect(await kubelet.capacity(resource)).toBe(8);
  await daemon.close();
  daemon = await startTestSwitch(root);
  // Longer than the grace for a switch that is gone.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect([await kubelet.capacity(resource), kubelet.lists(resource)]).toEqual([8, 1]);

  await daemon.close();
  await kubelet.until(() => kubelet.lists(resource) === 2, 'the list without the switch');
  expect(await kubelet.capacity(resource)).toBe(0);
  daemon = await startTestSwitch(root);
  await kubelet.until(() => kubelet.lists(resource) === 3, 'the list with the switch');
  expect(await kubelet.capacity(resource)).toBe(8);
});
