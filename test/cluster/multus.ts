// SPDX-License-Identifier: Apache-2.0
//
// Multus (thin) in the node, as its users install it: the resource kind, an account that may read it, and a configuration
// that comes before the default network's and delegates to it.

import { run } from '../../cli/demo/process.ts';
import { inside } from './cluster.ts';
import { kubeconfig } from './host/pki.ts';
import { cniDirectory, singleNetwork } from './names.ts';
import { writeNodeFile } from './node-file.ts';
import type { PodSpace } from './pod-space.ts';
import type { OnUndo } from './undo.ts';

const directory = `${cniDirectory}/multus.d`;
const configuration = `${cniDirectory}/00-multus.conf`;
const account = 'multus';
const group = 'k8s.cni.cncf.io';

export const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `network-attachment-definitions.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: {
      plural: 'network-attachment-definitions',
      singular: 'network-attachment-definition',
      kind: 'NetworkAttachmentDefinition',
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { config: { type: 'string' } } } },
          },
        },
      },
    ],
  },
};

const role = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: account },
  rules: [
    { apiGroups: [group], resources: ['*'], verbs: ['get', 'list', 'watch'] },
    {
      apiGroups: [''],
      resources: ['pods', 'pods/status'],
      verbs: ['get', 'list', 'watch', 'update', 'patch'],
    },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  ],
};

function binding(namespace: string): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: account },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: account },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
  };
}

/** Puts Multus in front of the default network. Its account lives in the story's namespace and goes with it. */
export async function installMultus(stage: PodSpace, onUndo: OnUndo): Promise<void> {
  const shared = [definition, role, binding(stage.namespace)];
  await stage.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account } }, ...shared);
  onUndo(async () => stage.kubectl('delete', `crd/${definition.metadata.name}`));
  onUndo(async () => stage.kubectl('delete', `clusterrole/${account}`, `clusterrolebinding/${account}`));
  await stage.kubectl(
    'wait',
    '--for=condition=Established',
    `crd/${definition.metadata.name}`,
    '--timeout=60s',
  );

  const token = await stage.kubectl('create', 'token', account, '--duration=24h');
  const authority = '{.clusters[0].cluster.certificate-authority-data}';
  const config = await stage.kubectl('config', 'view', '--raw', `--output=jsonpath=${authority}`);
  await run(inside(['mkdir', '-m', '700', directory]));
  await writeNodeFile(`${directory}/multus.kubeconfig`, kubeconfig(config, { token }));
  await writeNodeFile(
    configuration,
    JSON.stringify({
      cniVersion: '1.0.0',
      name: 'multus',
      type: 'multus',
      kubeconfig: `${directory}/multus.kubeconfig`,
      clusterNetwork: singleNetwork,
    }),
  );
  onUndo(async () => run(inside(['rm', '-r', directory, configuration])));
  onUndo(async () => stage.clear());
}

/** Annotations of a pod that joins networks. */
export function joins(...names: readonly string[]): Record<string, string> {
  return { 'k8s.v1.cni.cncf.io/networks': names.join(',') };
}

interface NetworkOptions {
  /** As a list of one plugin. */
  readonly asList?: boolean;
}

/** A network of ours that Multus attaches with the device which the kubelet chose. */
export function network(name: string, subnet: string, { asList = false }: NetworkOptions = {}): object {
  const plugin = {
    type: 'usvhost',
    capabilities: { deviceID: true },
    ipam: { type: 'host-local', ranges: [[{ subnet }]] },
  };
  const config = { cniVersion: '1.0.0', name, ...(asList ? { plugins: [plugin] } : plugin) };
  return {
    apiVersion: `${group}/v1`,
    kind: 'NetworkAttachmentDefinition',
    metadata: { name, annotations: { 'k8s.v1.cni.cncf.io/resourceName': 'usvhost.io/port' } },
    spec: { config: JSON.stringify(config) },
  };
}
