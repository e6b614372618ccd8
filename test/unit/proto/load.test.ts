// SPDX-License-Identifier: Apache-2.0
//
// What the definitions are on the wire: paths and bytes. The kubelet's are checked against bytes written by hand from
// its field numbers, since an encoder and a decoder of one wrong file agree with each other.

import { expect, test } from '@jest/globals';
import { DevicePlugin, PodResourcesLister, Registration, Switch } from '../../../proto/load.ts';

test('methods have the paths that the peers call', () => {
  expect(Registration.service.Register.path).toBe('/v1beta1.Registration/Register');
  const methods = [
    'GetDevicePluginOptions',
    'ListAndWatch',
    'GetPreferredAllocation',
    'Allocate',
    'PreStartContainer',
  ] as const;
  for (const method of methods)
    expect(DevicePlugin.service[method].path).toBe(`/v1beta1.DevicePlugin/${method}`);
  expect(Switch.service.AddPort.path).toBe('/usvhost.switch.v1.Switch/AddPort');
});

/** One length-delimited field (protobuf wire type 2). */
function field(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

test('Register is encoded by the field numbers of the kubelet', () => {
  const encoded = Registration.service.Register.requestSerialize({
    version: 'v1beta1',
    endpoint: 'u.sock',
    resource_name: 'usvhost.io/port',
    options: { get_preferred_allocation_available: true },
  });
  const options = field(4, Buffer.from([(2 << 3) | 0, 1]));
  const rest = [field(1, 'v1beta1'), field(2, 'u.sock'), field(3, 'usvhost.io/port')];
  expect(encoded).toEqual(Buffer.concat([...rest, options]));
});

test('a device list and an allocation are encoded by the field numbers of the kubelet', () => {
  const list = DevicePlugin.service.ListAndWatch.responseSerialize({
    devices: [{ ID: 'port-0', health: 'Healthy' }],
  });
  expect(list).toEqual(field(1, Buffer.concat([field(1, 'port-0'), field(2, 'Healthy')])));

  const allocated = DevicePlugin.service.Allocate.responseSerialize({
    container_responses: [
      {
        envs: { A: 'b' },
        mounts: [{ container_path: '/c', host_path: '/h', read_only: true }],
        devices: [{ container_path: '/dev/c', host_path: '/dev/h', permissions: 'rw' }],
        cdi_devices: [{ name: 'v/c=n' }],
      },
    ],
  });
  const container = [
    field(1, Buffer.concat([field(1, 'A'), field(2, 'b')])),
    field(2, Buffer.concat([field(1, '/c'), field(2, '/h'), Buffer.from([(3 << 3) | 0, 1])])),
    field(3, Buffer.concat([field(1, '/dev/c'), field(2, '/dev/h'), field(3, 'rw')])),
    field(5, field(1, 'v/c=n')),
  ];
  expect(allocated).toEqual(field(1, Buffer.concat(container)));
});

test('requests of the kubelet are decoded by its field numbers', () => {
  const allocate = field(1, Buffer.concat([field(1, 'port-0'), field(1, 'port-1')]));
  expect(DevicePlugin.service.Allocate.requestDeserialize(allocate)).toEqual({
    container_requests: [{ devices_ids: ['port-0', 'port-1'] }],
  });
  const size = Buffer.from([(3 << 3) | 0, 2]);
  const preferred = field(1, Buffer.concat([field(1, 'port-0'), field(2, 'port-1'), size]));
  expect(DevicePlugin.service.GetPreferredAllocation.requestDeserialize(preferred)).toEqual({
    container_requests: [
      { available_deviceIDs: ['port-0'], must_include_deviceIDs: ['port-1'], allocation_size: 2 },
    ],
  });
});

test('feature bits above 2^53 survive as decimal strings, absent ids stay absent', () => {
  const { AddPort } = Switch.service;
  const features = (2n ** 63n + 1n).toString();
  expect(AddPort.responseDeserialize(AddPort.responseSerialize({ features })).features).toBe(features);
  expect(AddPort.requestDeserialize(AddPort.requestSerialize({ name: 'p' })).uid).toBeUndefined();
  expect(AddPort.requestDeserialize(AddPort.requestSerialize({ name: 'p', uid: 0 })).uid).toBe(0);
});

test('PodResources has the paths and field numbers of the kubelet', () => {
  for (const method of ['List', 'Get', 'GetAllocatableResources'] as const)
    expect(PodResourcesLister.service[method].path).toBe(`/v1.PodResourcesLister/${method}`);
  const asked = PodResourcesLister.service.Get.requestSerialize({ pod_name: 'web', pod_namespace: 'a' });
  expect(asked).toEqual(Buffer.concat([field(1, 'web'), field(2, 'a')]));
  const devices = Buffer.concat([field(1, 'usvhost.io/port'), field(2, 'port-1')]);
  const container = Buffer.concat([field(1, 'main'), field(2, devices), field(5, 'a dynamic resource')]);
  const pod = field(1, Buffer.concat([field(1, 'web'), field(2, 'a'), field(3, container)]));
  const found = expect.objectContaining({
    name: 'web',
    namespace: 'a',
    containers: [
      expect.objectContaining({
        name: 'main',
        devices: [expect.objectContaining({ resource_name: 'usvhost.io/port', device_ids: ['port-1'] })],
      }),
    ],
  });
  expect(PodResourcesLister.service.List.responseDeserialize(pod)).toEqual({ pod_resources: [found] });
  expect(PodResourcesLister.service.Get.responseDeserialize(pod).pod_resources).toEqual(found);
});
