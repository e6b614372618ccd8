// SPDX-License-Identifier: Apache-2.0
//
// As much of an API server as Helm needs to look a Secret up: discovery, and the Secrets that a test put there.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeSecrets {
  readonly url: string;
  /** By `namespace/name`. */
  readonly secrets: Map<string, object>;
  close(): void;
}

/** The kinds that the chart makes, by group and version. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  v1: ['ConfigMap', 'Secret', 'Service', 'ServiceAccount'],
  'apps/v1': ['DaemonSet', 'Deployment'],
  'batch/v1': ['Job'],
  'policy/v1': ['PodDisruptionBudget'],
  'networking.k8s.io/v1': ['NetworkPolicy'],
  'rbac.authorization.k8s.io/v1': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
  'admissionregistration.k8s.io/v1': [
    'MutatingWebhookConfiguration',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
  ],
};
const ofTheCluster = /^(ClusterRole|MutatingWebhook|ValidatingAdmissionPolicy)/;
const plural = (kind: string): string => `${kind.toLowerCase().replace(/y$/, 'ie')}s`;
const groups = Object.keys(kinds)
  .filter((groupVersion) => groupVersion !== 'v1')
  .map((groupVersion) => {
    const [name = '', version = ''] = groupVersion.split('/');
    return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
  });
const discovery: Readonly<Record<string, object>> = {
  '/version': { major: '1', minor: '37', gitVersion: 'v1.37.0' },
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups },
  ...Object.fromEntries(
    Object.entries(kinds).map(([groupVersion, members]) => [
      groupVersion === 'v1' ? '/api/v1' : `/apis/${groupVersion}`,
      {
        kind: 'APIResourceList',
        apiVersion: 'v1',
        groupVersion,
        resources: members.map((kind) => ({
          name: plural(kind),
          kind,
          namespaced: !ofTheCluster.test(kind),
          verbs: ['get', 'list', 'create'],
        })),
      },
    ]),
  ),
};
const secretPath = /^\/api\/v1\/namespaces\/([^/]+)\/secrets\/([^/]+)$/;

export async function startFakeSecrets(): Promise<FakeSecrets> {
  const secrets = new Map<string, object>();
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const [, namespace, name] = secretPath.exec(path) ?? [];
    const found = discovery[path] ?? secrets.get(`${namespace}/${name}`);
    const notFound = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 };
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? notFound));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    secrets,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
