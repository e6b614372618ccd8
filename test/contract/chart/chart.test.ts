// SPDX-License-Identifier: Apache-2.0
//
// The Helm chart, rendered without a cluster: what is made of the main sets of values, what no container has, and what is refused.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from '@jest/globals';
import { parse } from 'yaml';
import { readConfig } from '../../../cni/config.ts';
import { agentConfigSchema } from '../../../lib/config/agent.ts';
import { switchConfigSchema } from '../../../lib/config/switch.ts';
import { webhookConfigSchema } from '../../../lib/config/webhook.ts';
import { dashboard } from '../../../scripts/chart/dashboard.ts';
import { buildHelm, chart, helm, render } from '../../../scripts/helm.ts';
import { projectRoot } from '../../../scripts/main.ts';
import { renderManifests } from '../../../scripts/manifests.ts';
import { readWish } from '../../../webhook/annotations.ts';
import { groupNeeds, needs } from '../../support/need.ts';
import { containersOf, find, type KubernetesObject, objectsOf, podOf } from './objects.ts';

const test = needs('go');
/** Certificates are others each time, so that snapshots have none of them. */
const fixed = ['--set=webhook.certificates.source=cert-manager'];
const slices = [
  { kind: 'shm', sizeMi: 64, count: 16, directory: '/dev/shm' },
  { kind: 'hugepages', sizeMi: 64, count: 8 },
];

/** The main sets of values. */
const sets: Readonly<Record<string, readonly string[]>> = {
  default: fixed,
  chained: [...fixed, '--set=network.mode=chained', '--set-json=network.chained.options={"ifName":"fast0"}'],
  multus: [...fixed, '--set=network.mode=multus', '--set-json=network.definitions=[{"name":"fast"}]'],
  ovs: [...fixed, '--set=agent.config.switch=ovs', '--set=agent.config.ovs.database=/run/ovs/db.sock'],
  metrics: [
    ...fixed,
    ...['podMonitor', 'serviceMonitor', 'rules', 'dashboard'].map((each) => `--set=metrics.${each}=true`),
  ],
  hugepages: [...fixed, `--set-json=agent.config.slices=${JSON.stringify(slices)}`],
};

groupNeeds('go')('the chart', () => {
  beforeAll(async () => {
    await buildHelm();
  }, 900_000);

  test('has nothing that helm lint --strict minds', async () => {
    const { code, output, errors } = await helm('lint', '--strict', chart);
    expect({ code, text: output + errors }).toMatchObject({ code: 0 });
  });

  test('manifests/ is what the chart gives', async () => {
    for (const [path, content] of Object.entries(await renderManifests()))
      expect({ path, content: readFileSync(join(projectRoot, path), 'utf8') }).toEqual({ path, content });
  });

  for (const [name, args] of Object.entries(sets)) {
    test(`${name}: the objects, and what sets its agent apart`, async () => {
      const objects = await objectsOf(...args);
      expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toMatchSnapshot();
      expect(podOf(find(objects, 'DaemonSet', 'usvhost-agent'))).toMatchSnapshot();
    });

    test(`${name}: no container has a capability, a privilege or a root that can be written`, async () => {
      const pods = (await objectsOf(...args)).flatMap((object) => podOf(object) ?? []);
      expect(pods.length).toBeGreaterThan(2);
      for (const container of pods.flatMap(containersOf)) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          privileged: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(container.resources.limits).toHaveProperty('memory');
      }
      for (const pod of pods) {
        expect(pod).not.toHaveProperty('hostPID');
        expect(pod).not.toHaveProperty('hostIPC');
      }
    });
  }

  test('only the jobs that wait for the removal have the token of their pod, and each may watch one object', async () => {
    const objects = await objectsOf(...fixed);
    const withToken = objects.filter((object) => podOf(object)?.automountServiceAccountToken === true);
    expect(withToken.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Job usvhost-removal',
      'Job usvhost-purge',
    ]);
    for (const object of objects) {
      const pod = podOf(object);
      if (pod !== undefined) expect(pod.automountServiceAccountToken).toBe(withToken.includes(object));
    }
    const roles = objects.filter(({ kind }) => kind === 'Role');
    expect(roles.flatMap(({ rules }) => rules)).toEqual(
      ['usvhost-removal', 'usvhost-purge'].map((name) => ({
        apiGroups: ['apps'],
        resources: ['daemonsets'],
        resourceNames: [name],
        verbs: ['watch'],
      })),
    );
  });

  const access = [
    'ClusterRole',
    'ClusterRoleBinding',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
  ];
  const accessOf = (objects: readonly KubernetesObject[]): string[] =>
    objects
      .filter(({ kind }) => access.includes(kind))
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`);

  test("the agent's container alone has its token, which may read pods, write events and the status of nodes", async () => {
    const objects = await objectsOf(...fixed);
    const mounted = objects.flatMap((object) =>
      containersOf(podOf(object) ?? { securityContext: {}, containers: [] }).filter(({ volumeMounts = [] }) =>
        volumeMounts.some(({ mountPath }) => mountPath === '/var/run/secrets/kubernetes.io/serviceaccount'),
      ),
    );
    expect(mounted.map(({ name }) => name)).toEqual(['agent']);
    const role = objects.find(({ kind }) => kind === 'ClusterRole');
    expect(role?.rules).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
      { apiGroups: [''], resources: ['nodes/status'], verbs: ['get', 'patch'] },
    ]);
    expect(accessOf(objects)).toHaveLength(6);
  });

  test('an agent that is not to talk to the API server has no token and no right, and nothing goes out', async () => {
    const objects = await objectsOf(...fixed, '--set=agent.config.kubernetes=off');
    expect(accessOf(objects)).toEqual([]);
    const agent = find(objects, 'DaemonSet', 'usvhost-agent');
    expect(JSON.stringify(agent)).not.toContain('serviceAccountToken');
    expect(find(objects, 'NetworkPolicy', 'usvhost-agent').spec).not.toHaveProperty('egress');
  });

  test('the right to write the status of nodes comes with the policy that confines it, or not at all', async () => {
    const without = [
      await objectsOf(...fixed, '--set=agent.config.nodeCondition=false'),
      await objectsOf(...fixed, '--kube-version=1.29.0'),
    ];
    for (const objects of without) {
      const role = objects.find(({ kind }) => kind === 'ClusterRole');
      expect(JSON.stringify(role?.rules)).not.toContain('nodes');
      const agent = podOf(find(objects, 'DaemonSet', 'usvhost-agent'))?.containers[0];
      expect(agent).toMatchObject({
        env: expect.arrayContaining([{ name: 'USVHOST_AGENT_NODE_CONDITION', value: 'false' }]),
      });
    }
    expect(without.map((objects) => accessOf(objects).length)).toEqual([4, 2]);
  });

  test('the files of the daemons are configurations of theirs', async () => {
    const objects = await objectsOf(...(sets['hugepages'] ?? []), '--set-json=switch.config={"cpus":[2,3]}');
    const file = (name: string): unknown =>
      JSON.parse(find(objects, 'ConfigMap', `usvhost-${name}`).data[`${name}.json`] ?? '');
    expect(agentConfigSchema.parse(file('agent')).slices).toHaveLength(2);
    expect(switchConfigSchema.parse(file('switch')).cpus).toEqual([2, 3]);
    expect(webhookConfigSchema.parse(file('webhook')).image).toMatch(/^usvhost:/);
  });

  test('networks are configurations of the plugin, and what their options say wins', async () => {
    const definitions = [
      { name: 'fast' },
      { name: 'other', namespace: 'apps', options: { uid: 7, mtu: 9000 } },
    ];
    const multus = [
      ...fixed,
      '--set=network.mode=multus',
      `--set-json=network.definitions=${JSON.stringify(definitions)}`,
    ];
    const networks = (await objectsOf(...multus)).filter(
      ({ kind }) => kind === 'NetworkAttachmentDefinition',
    );
    const configurations = networks.map(({ spec }) => readConfig(JSON.parse(spec.config)));
    expect(configurations).toMatchObject([
      { name: 'fast', uid: 65_532 },
      { name: 'other', uid: 7, mtu: 9000 },
    ]);
  });

  test('alerts and dashboard are those of the files, and scrapers give the labels that they read', async () => {
    const objects = await objectsOf(...(sets['metrics'] ?? []), '--set=metrics.labels.team=net');
    const rule = find(objects, 'PrometheusRule', 'usvhost');
    expect(rule.spec).toEqual(parse(readFileSync(join(chart, 'files/rules.yaml'), 'utf8')));
    expect(rule.metadata.labels).toMatchObject({ team: 'net' });
    const { data, metadata } = find(objects, 'ConfigMap', 'usvhost-dashboard');
    expect(JSON.parse(data['usvhost.json'] ?? '')).toEqual(dashboard());
    expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' });
    const node = { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' };
    for (const component of ['agent', 'webhook']) {
      const relabelings = [{ targetLabel: 'job', replacement: `usvhost-${component}` }, node];
      const name = `usvhost-${component}`;
      expect(find(objects, 'PodMonitor', name).spec.podMetricsEndpoints).toMatchObject([{ relabelings }]);
      expect(find(objects, 'ServiceMonitor', name).spec.endpoints).toMatchObject([{ relabelings }]);
    }
  });

  test('another configuration of one daemon leaves the other pod as it is', async () => {
    const before = await objectsOf(...fixed);
    const after = await objectsOf(...fixed, '--set=switch.config.maxPorts=17');
    const template = (objects: typeof before, name: string): unknown =>
      find(objects, 'DaemonSet', name).spec.template;
    expect(template(after, 'usvhost-agent')).toEqual(template(before, 'usvhost-agent'));
    expect(template(after, 'usvhost-switch')).not.toEqual(template(before, 'usvhost-switch'));
  });

  test('the agent has memory for its slices, and the huge pages of theirs', async () => {
    const objects = await objectsOf(...(sets['hugepages'] ?? []));
    const agent = podOf(find(objects, 'DaemonSet', 'usvhost-agent'))?.containers[0];
    expect(agent?.resources.limits).toEqual({ memory: `${256 + 16 * 64}Mi`, 'hugepages-2Mi': `${8 * 64}Mi` });
  });

  test('auto is multus where its kind is there, else chained, and only then the pods are on the network of the node', async () => {
    const kinds = async (...args: readonly string[]): Promise<(boolean | undefined)[]> => {
      const objects = await objectsOf(...fixed, '--set-json=network.definitions=[{"name":"fast"}]', ...args);
      const agent = podOf(find(objects, 'DaemonSet', 'usvhost-agent'));
      return [
        objects.some(({ kind }) => kind === 'NetworkAttachmentDefinition'),
        agent?.initContainers?.[0]?.args?.includes('--chain=auto'),
        agent?.hostNetwork,
      ];
    };
    expect(await kinds()).toEqual([false, true, true]);
    expect(await kinds('--api-versions=k8s.cni.cncf.io/v1')).toEqual([true, false, undefined]);
    expect(await kinds('--set=network.mode=none')).toEqual([false, false, undefined]);
  });

  test('the webhook is never asked about the pods of the release, and a cluster without it still makes pods', async () => {
    const objects = await objectsOf();
    const { webhooks } = find(objects, 'MutatingWebhookConfiguration', 'usvhost-usvhost-webhook');
    expect(webhooks.map(({ clientConfig }) => clientConfig.service.path)).toEqual([
      '/mutate',
      '/mutate/force',
    ]);
    const secret = find(objects, 'Secret', 'usvhost-webhook-tls');
    for (const webhook of webhooks) {
      expect(webhook).toMatchObject({ failurePolicy: 'Ignore', sideEffects: 'None' });
      expect(webhook.namespaceSelector.matchExpressions[0].values).toEqual(['usvhost', 'kube-system']);
      expect(webhook.clientConfig.caBundle).toBe(secret.data['ca.crt']);
    }
  });

  test('its pods have no annotation that the webhook of another release would refuse', async () => {
    for (const { spec } of (await objectsOf(...fixed)).filter((object) => podOf(object) !== undefined)) {
      const rules = { attach: 'chained', defaultNetwork: '', maxPorts: 64, forced: false } as const;
      expect(() => readWish(spec.template.metadata.annotations ?? {}, rules)).not.toThrow();
    }
  });

  test('where there is no cluster to look at nothing is refused, whatever is checked', async () => {
    const multus = [...fixed, '--set=network.mode=multus'];
    expect(await render(...multus)).toBe(await render(...multus, '--set=clusterChecks=false'));
  });

  const wrong: Readonly<Record<string, string>> = {
    'switch.cpus=1': "at '/switch': additional properties 'cpus' not allowed",
    'agent.config.ports=0': "at '/agent/config/ports': minimum: got 0, want 1",
    'agent.config.root=/host': "at '/agent/config': additional properties 'root' not allowed",
    'network.mode=wrong': "at '/network/mode': value must be one of 'auto', 'multus', 'chained', 'none'",
    'webhook.replicas=two': "at '/webhook/replicas': got string, want integer",
    'image.digest=sha256:1': "at '/image/digest': 'sha256:1' does not match pattern",
    'webhook.certificates.source=secret': 'webhook.certificates.secretName: expected the name of a Secret',
  };
  for (const [value, message] of Object.entries(wrong)) {
    test(`${value} is refused in words`, async () => {
      await expect(render(`--set=${value}`)).rejects.toThrow(message);
    });
  }
});
