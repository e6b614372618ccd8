// SPDX-License-Identifier: Apache-2.0
//
// After an outage of the API server each watch of a daemon comes back in its own time, up to half a minute later. Who deletes a pod
// or needs a service before that sees a node that does nothing, and takes it for a mistake of ours.

import { run } from '../../cli/demo/process.ts';
import { eventually } from '../support/eventually.ts';
import { inside } from './cluster.ts';
import type { PodSpace } from './pod-space.ts';
import { pod } from './pods.ts';

const name = 'heard';
/** Of nobody: no pod of the node has so high a one. */
const endpoint = '10.244.0.250';

const service = [
  { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ name: 'http', port: 80 }] } },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: [{ addresses: [endpoint], conditions: { ready: true } }],
  },
];

/** Returns when the kubelet starts pods and the proxy knows services and their endpoints. */
export async function nodeHears(space: PodSpace): Promise<void> {
  await space.apply(pod(name), ...service);
  await space.runs(name);
  const rules = async (): Promise<string> => run(inside(['nft', 'list', 'table', 'ip', 'kube-proxy']));
  await eventually(rules, (text) => text.includes(endpoint), `${endpoint} among the proxy's rules`, {
    millis: 90_000,
    stepMillis: 500,
  });
  await space.kubectl('delete', `service/${name}`, `endpointslice/${name}`);
  await space.remove(name);
}
