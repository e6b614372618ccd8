// SPDX-License-Identifier: Apache-2.0
//
// The values of the Helm chart: values.yaml, values.schema.json and the tables of its README follow from this schema. The
// daemons' own settings are their own schemas.

import * as z from 'zod';
import * as mini from 'zod/mini';
import { agentConfigSchema } from '../../lib/config/agent.ts';
import { switchConfigSchema } from '../../lib/config/switch.ts';
import { webhookConfigSchema } from '../../lib/config/webhook.ts';

const absolutePath = z.string().regex(/^\/[^\s]*$/);
const dnsLabel = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const anyObject = z.record(z.string(), z.unknown());
const objects = z.array(anyObject);

/**
 * Addresses of networks that say nothing about them. RFC 2544 keeps the block for tests between devices, so that no cluster and no
 * site should use it; each node gives the same ones, as its switch reaches no other node.
 */
const ipam = { type: 'host-local', ranges: [[{ subnet: '198.18.0.0/24' }]] };

/** What Kubernetes' own schema decides further on. */
function passedOn(meaning: string) {
  return anyObject.default({}).describe(meaning);
}

const resources = (cpu: string, memory: string) =>
  anyObject
    .default({ requests: { cpu, memory }, limits: { memory } })
    .describe('requests and limits of its container');

const rollingUpdate = anyObject
  .default({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } })
  .describe('updateStrategy of its DaemonSet');

const image = z
  .strictObject({
    repository: z.string().min(1).default('usvhost').describe('the image, one for every role'),
    tag: z.string().default('').describe("its tag; empty: the chart's appVersion"),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64})?$/)
      .default('')
      .describe('its digest, which wins over the tag'),
    pullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .default('IfNotPresent')
      .describe('imagePullPolicy'),
    pullSecrets: objects.default([]).describe('imagePullSecrets, such as `[{"name": "registry"}]`'),
    node: z.string().min(1).default('node').describe('the program Node in the image, by name or path'),
  })
  .prefault({});

const definition = z.strictObject({
  name: dnsLabel.describe('name of the network'),
  namespace: dnsLabel.optional().describe("its namespace; default the release's"),
  options: passedOn('options of the plugin (docs/cni.md), such as `ipam`'),
});

const network = z
  .strictObject({
    mode: z
      .enum(['auto', 'multus', 'chained', 'none'])
      .default('auto')
      .describe(
        "how pods come to a network: `multus` by NetworkAttachmentDefinitions, `chained` behind the cluster's own network, `auto` multus where its resource kind is there and else chained, `none` left to the administrator",
      ),
    definitions: z
      .array(definition)
      .default([{ name: 'usvhost', options: { ipam } }])
      .describe(
        'with multus: a NetworkAttachmentDefinition each, of `name`, `namespace`, `options`; the first is that of pods that name none',
      ),
    chained: z
      .strictObject({
        list: z
          .string()
          .regex(/^(auto|\/.*)$/)
          .default('auto')
          .describe('the configuration list of the nodes; auto: the one that the runtime uses'),
        options: z
          .looseObject({ ifName: z.string().regex(/^[^\s/:]{1,15}$/) })
          .default({ ifName: 'net1', ipam })
          .describe('options of the plugin in it (docs/cni.md)'),
      })
      .prefault({}),
  })
  .prefault({});

const cni = z
  .strictObject({
    binDirectory: absolutePath
      .default('/opt/cni/bin')
      .describe("the runtime's directory of plugins, on the node"),
    confDirectory: absolutePath
      .default('/etc/cni/net.d')
      .describe("the runtime's directory of networks, on the node"),
  })
  .prefault({});

const agent = z
  .strictObject({
    config: mini
      ._default(mini.partial(mini.omit(agentConfigSchema, { root: true })), { slices: [] })
      .check(
        mini.describe(
          'fields of docs/config-agent.md without `root`; what is not given has the default there',
        ),
      ),
    cpu: z.string().default('50m').describe('CPU request of its container; there is no limit'),
    memoryMi: z
      .int()
      .min(64)
      .max(65_536)
      .default(256)
      .describe('memory of its container in MiB; that of the shm slices is added, since it is charged to it'),
    hugepageSize: z
      .enum(['2Mi', '1Gi'])
      .default('2Mi')
      .describe('pages of the hugepages slices; as much as these hold is requested for the container'),
    updateStrategy: rollingUpdate,
  })
  .prefault({});

const vhostSwitch = z
  .strictObject({
    config: mini
      ._default(mini.partial(mini.omit(switchConfigSchema, { root: true })), {})
      .check(
        mini.describe(
          'fields of docs/config-switch.md without `root`; what is not given has the default there',
        ),
      ),
    resources: resources('100m', '256Mi'),
    updateStrategy: rollingUpdate,
  })
  .prefault({});

const webhook = z
  .strictObject({
    enabled: z.boolean().default(true).describe('whether pods can ask for ports by annotation'),
    replicas: z.int().min(1).max(100).default(2).describe('pods of its Deployment'),
    config: mini
      ._default(mini.partial(webhookConfigSchema), {})
      .check(
        mini.describe(
          'fields of docs/config-webhook.md; those about image, ports and networks follow from other values if not given',
        ),
      ),
    failurePolicy: z
      .enum(['Ignore', 'Fail'])
      .default('Ignore')
      .describe(
        'of pods that ask for ports while the webhook is away: `Ignore` makes them without, which an event says; `Fail` refuses them, so that their controllers try again. Other pods are not concerned, but in namespaces that force it',
      ),
    excludedNamespaces: z
      .array(dnsLabel)
      .default(['kube-system'])
      .describe("namespaces whose pods it is never asked about, besides the release's"),
    certificates: z
      .strictObject({
        source: z
          .enum(['chart', 'cert-manager', 'secret'])
          .default('chart')
          .describe(
            '`chart` makes them, keeps them over upgrades, and makes new ones in the last third of their time; `cert-manager` asks it; `secret` takes one that is there',
          ),
        days: z.int().min(3).max(3650).default(3650).describe('with chart: how long they are good'),
        secretName: z.string().default('').describe('with secret: a Secret with `tls.crt` and `tls.key`'),
        caBundle: z.string().default('').describe('with secret: the CA as PEM in base64'),
      })
      .prefault({}),
    resources: resources('20m', '128Mi'),
    tolerations: objects.default([]).describe('tolerations of its pods'),
    priorityClassName: z.string().default('system-cluster-critical').describe('priority of its pods'),
  })
  .prefault({});

export const valuesSchema = z.strictObject({
  image,
  network,
  cni,
  agent,
  switch: vhostSwitch,
  webhook,
  metrics: z
    .strictObject({
      podMonitor: z.boolean().default(false).describe("a PodMonitor of Prometheus's operator for the agents"),
      serviceMonitor: z.boolean().default(false).describe('a headless Service and a ServiceMonitor instead'),
      interval: z
        .string()
        .regex(/^\d+(ms|s|m)$/)
        .default('30s')
        .describe('how often they are read'),
      labels: z
        .record(z.string(), z.string())
        .default({})
        .describe('further labels by which Prometheus finds them'),
      rules: z
        .boolean()
        .default(false)
        .describe("a PrometheusRule of Prometheus's operator with the alerts of docs/operations.md"),
      dashboard: z
        .boolean()
        .default(false)
        .describe('a ConfigMap with a dashboard, which Grafana finds by its label grafana_dashboard'),
    })
    .prefault({}),
  networkPolicy: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe(
          'NetworkPolicies: only agents to the API server go out, only metrics and the webhook can be reached',
        ),
      metricsFrom: objects
        .default([])
        .describe('who may read metrics, `from` of a NetworkPolicy; empty: everybody'),
      apiServerPorts: z
        .array(z.int().min(1).max(65_535))
        .default([443, 6443])
        .describe('ports by which agents reach the API server'),
      apiServerTo: objects
        .default([])
        .describe('where it is, `to` of a NetworkPolicy; empty: anywhere on these ports'),
    })
    .prefault({}),
  removal: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('whether `helm uninstall` takes the plugin back from the nodes'),
      seconds: z.int().min(10).max(86_400).default(300).describe('how long it waits for all nodes'),
    })
    .prefault({}),
  kubeletDirectory: absolutePath.default('/var/lib/kubelet').describe("the kubelet's directory, on the node"),
  nodeSelector: z
    .record(z.string(), z.string())
    .default({})
    .describe('nodes that get agent and switch; empty: all'),
  affinity: passedOn('affinity of their pods'),
  tolerations: objects
    .default([{ operator: 'Exists' }])
    .describe('tolerations of their pods; as it is, of everything'),
  priorityClassName: z.string().default('system-node-critical').describe('priority of their pods'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('USVHOST_LOG of every container'),
  clusterChecks: z
    .boolean()
    .default(true)
    .describe(
      'whether Helm looks for other releases on the same nodes and for a missing Multus before it changes anything; it needs the right to list all DaemonSets',
    ),
  createNamespace: z
    .boolean()
    .default(false)
    .describe('a Namespace that admits hostPath volumes; for manifests without Helm'),
  global: anyObject.optional().describe('what a parent chart gives to all of its charts; not used'),
});
