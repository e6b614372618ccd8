// SPDX-License-Identifier: Apache-2.0
//
// The client of the kubelet's PodResources API against a server on the real socket.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PodResources } from '../../../device-plugin/pod-resources.ts';
import { hostPaths } from '../../../lib/names.ts';
import { FakePodResources } from '../../fakes/pod-resources.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { eventually } from '../../support/eventually.ts';

const makeRoot = temporaryRoots();
let kubelet: FakePodResources;
let client: PodResources;

beforeEach(async () => {
  const root = makeRoot();
  kubelet = await FakePodResources.start(root);
  const socketPath = hostPaths(root).podResourcesSocket;
  client = new PodResources({ socketPath, resourceName: 'usvhost.io/port', deadlineMillis: 10_000 });
});

afterEach(async () => {
  client.close();
  await kubelet.stop();
});

test('the devices of a pod are those of our resource in all its containers', async () => {
  kubelet.pods.push({
    namespace: 'a',
    name: 'web',
    containers: [
      { name: 'sidecar', devices: [{ resource_name: 'usvhost.io/port', device_ids: ['port-3'] }] },
      {
        name: 'main',
        devices: [
          { resource_name: 'vendor.example/gpu', device_ids: ['gpu-0'] },
          { resource_name: 'usvhost.io/port', device_ids: ['port-1'], topology: { nodes: [{ ID: 0 }] } },
          { resource_name: 'usvhost.io/port', device_ids: ['port-2'], topology: { nodes: [{ ID: 1 }] } },
        ],
      },
    ],
  });
  kubelet.add('b', 'web', ['port-9']);
  expect(await client.devicesOfPod('a', 'web')).toEqual(['port-3', 'port-1', 'port-2']);
  expect(await client.devicesOfPod('b', 'web')).toEqual(['port-9']);
  expect(await client.containersOfPod('a', 'web')).toEqual([['port-3'], ['port-1', 'port-2']]);
  expect(kubelet.calls).toEqual(['Get', 'Get', 'Get']);
});

test('devices that a pod holds are counted by resource, over containers and NUMA nodes', async () => {
  const entry = (resource_name: string, ...device_ids: string[]) => ({ resource_name, device_ids });
  kubelet.pods.push({
    namespace: 'a',
    name: 'web',
    containers: [
      { name: 'sidecar', devices: [entry('usvhost.io/port', 'port-3')] },
      {
        name: 'main',
        devices: [
          entry('usvhost.io/port', 'port-1', 'port-2'),
          entry('usvhost.io/shm-64Mi', 'shm-0'),
          entry('usvhost.io/shm-64Mi', 'shm-1'),
        ],
      },
    ],
  });
  const [pod] = await client.listPods();
  expect(pod?.held).toEqual(
    new Map([
      ['usvhost.io/port', 3],
      ['usvhost.io/shm-64Mi', 2],
    ]),
  );
});

test('without Get the pod is looked up in the list', async () => {
  kubelet.hasGet = false;
  kubelet.add('a', 'web', ['port-1']);
  expect(await client.devicesOfPod('a', 'web')).toEqual(['port-1']);
  expect(await client.devicesOfPod('a', 'other')).toEqual([]);
  expect(kubelet.calls).toEqual(['Get', 'List', 'Get', 'List']);
});

test('a list over 4 MiB is taken, one over 16 MiB is refused', async () => {
  const long = 'x'.repeat(1 << 20);
  for (let n = 0; n < 6; n++) kubelet.add('a', `pod-${n}`, [long], 'vendor.example/gpu');
  kubelet.add('a', 'web', ['port-1']);
  const pods = await client.listPods();
  expect(pods).toHaveLength(7);
  const held = new Map([['usvhost.io/port', 1]]);
  const devices = ['port-1'];
  expect(pods.at(-1)).toEqual({ namespace: 'a', name: 'web', containers: [devices], devices, held });
  for (let n = 6; n < 17; n++) kubelet.add('a', `pod-${n}`, [long], 'vendor.example/gpu');
  await expect(client.listPods()).rejects.toMatchObject({ code: 'USV_KUBELET' });
});

test('a kubelet that is away is an error, and is found again when it is back', async () => {
  kubelet.add('a', 'web', ['port-1']);
  await kubelet.stop();
  await expect(client.devicesOfPod('a', 'web')).rejects.toMatchObject({ code: 'USV_KUBELET' });
  await expect(client.listPods()).rejects.toMatchObject({ code: 'USV_KUBELET' });
  await kubelet.start();
  // The channel pauses up to 100 ms between two attempts to connect.
  const found = await eventually(
    () => client.devicesOfPod('a', 'web').catch((error: unknown) => String(error)),
    Array.isArray,
    'the devices of the pod',
  );
  expect(found).toEqual(['port-1']);
});
