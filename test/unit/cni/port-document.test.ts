// SPDX-License-Identifier: Apache-2.0
//
// What an ADD writes is what a dataplane reads.

import { expect, test } from '@jest/globals';
import type { Attachment } from '../../../cni/attachment.ts';
import { portDocument } from '../../../cni/port-document.ts';
import { portContractSchema } from '../../../lib/port-contract.ts';

const attachment: Attachment = {
  containerId: 'container',
  ifname: 'net1',
  port: 'p0123456789abcd',
  device: 'port-0',
  network: 'fast',
  netns: '/proc/1/ns/net',
  mac: '02:00:00:00:00:0a',
  mtu: 9000,
  endpoint: 'tap',
  podRole: 'client',
  state: 'adding',
  ipamConfig: null,
  podUid: null,
  podNamespace: null,
  podName: null,
  runtimeIfname: 'net1',
  deviceInfo: null,
};

test.each([
  ['tap', 'client'],
  ['socket', 'server'],
] as const)('the document of a %s whose pod is the %s keeps the contract', (endpoint, podRole) => {
  const ips = [{ address: '10.1.2.3/24', gateway: '10.1.2.1' }, { address: 'fd00::1/64' }];
  const text = portDocument(
    '/srv',
    { ...attachment, endpoint, podRole },
    { queues: 1, queueSize: 256 },
    ips,
    undefined,
  );
  const value: unknown = JSON.parse(text);
  // Nothing is left out by the reader.
  expect(portContractSchema.parse(value)).toEqual(value);
  expect(value).toEqual({
    version: 1,
    ifname: 'net1',
    socket: {
      pod: '/var/run/usvhost/net1/vhost.sock',
      host: '/srv/run/usvhost/ports/p0123456789abcd/vhost.sock',
    },
    podRole,
    mac: '02:00:00:00:00:0a',
    mtu: 9000,
    queues: 1,
    queueSize: 256,
    ips: ['10.1.2.3/24', 'fd00::1/64'],
    endpoint,
    network: 'fast',
  });
  expect(text.endsWith('}\n')).toBe(true);
});

test('it names the pod where the runtime does', () => {
  const pod = { namespace: 'default', name: 'app-0' };
  const text = portDocument('/', attachment, { queues: 1, queueSize: 256 }, [], pod);
  expect(portContractSchema.parse(JSON.parse(text)).pod).toEqual(pod);
});
