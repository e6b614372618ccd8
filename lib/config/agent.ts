// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost agent`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod/mini';
import { absolutePath, integerField, rootField } from './fields.ts';

const id = z.int().check(z.minimum(0));

/** The last part of a slice's resource name follows from kind and size, so no two pools may have the same. */
const slicesField = z
  ._default(
    z
      .array(
        z.strictObject({
          kind: z
            .enum(['shm', 'hugepages'])
            .check(z.describe('shm: ordinary memory of a tmpfs; hugepages: those of a hugetlbfs mount')),
          sizeMi: integerField(1, 65_536, 64, 'size of a slice in MiB'),
          count: integerField(1, 1024, 1, 'how many slices'),
          directory: z
            .optional(absolutePath)
            .check(
              z.describe(
                'a directory on tmpfs or hugetlbfs; default run/usvhost below root for shm, /dev/hugepages for hugepages',
              ),
            ),
          numaNodes: numaNodesField('NUMA nodes that the slices are dealt out to in turn; empty: none'),
        }),
      )
      .check(
        z.maxLength(16),
        z.refine(
          (pools) => new Set(pools.map(({ kind, sizeMi }) => `${kind}-${sizeMi}`)).size === pools.length,
          'expected at most one pool of the same kind and size',
        ),
      ),
    [],
  )
  .check(z.describe('pools of memory slices, no two of the same kind and size'));

function numaNodesField(meaning: string) {
  const node = z.int().check(z.minimum(0), z.maximum(1023));
  return z._default(z.array(node).check(z.maxLength(64)), []).check(z.describe(meaning));
}

const ovsField = z
  ._default(
    z.strictObject({
      database: z
        ._default(absolutePath, '/run/openvswitch/db.sock')
        .check(z.describe('unix socket of ovsdb-server')),
      bridge: z
        ._default(z.string().check(z.regex(/^[A-Za-z0-9_.-]{1,15}$/)), 'br-usvhost')
        .check(z.describe("bridge that pods' ports are put on; its datapath_type is netdev")),
      createBridge: z
        ._default(z.boolean(), false)
        .check(z.describe('make the bridge when there is none; otherwise that is an error')),
    }),
    { database: '/run/openvswitch/db.sock', bridge: 'br-usvhost', createBridge: false },
  )
  .check(z.describe('Open vSwitch of the node, where switch is ovs'));

export const agentConfigSchema = z.strictObject({
  root: rootField,
  ports: integerField(1, 1024, 64, 'how many ports the device plugin advertises'),
  portNumaNodes: numaNodesField(
    'NUMA nodes that the ports are dealt out to in turn; empty: no port has a node',
  ),
  resourceName: z
    ._default(z.string().check(z.regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/)), 'usvhost.io/port')
    .check(z.describe('name of the extended resource')),
  slices: slicesField,
  registration: z
    ._default(z.enum(['kubelet-socket', 'plugin-watcher']), 'kubelet-socket')
    .check(z.describe('how the kubelet comes to know the device plugin')),
  podDirUid: z
    .optional(id)
    .check(
      z.describe(
        "owner of a pod directory; default the agent's own, another one takes capabilities (docs/security.md)",
      ),
    ),
  podDirGid: z.optional(id).check(z.describe("group of a pod directory; default the agent's own")),
  podDirMode: integerField(0, 0o777, 0o755, 'mode of a pod directory (decimal in JSON)'),
  tunDevice: z
    ._default(absolutePath, '/dev/net/tun')
    .check(z.describe('device node handed to pods for their taps')),
  metricsAddress: z
    ._default(z.nullable(z.string().check(z.regex(/^[0-9a-fA-F.:]+$/))), '127.0.0.1')
    .check(z.describe('IP address for metrics, health and readiness by HTTP; null: none')),
  metricsPort: integerField(0, 65_535, 9808, 'TCP port for these; 0: any free one, named in the log'),
  switch: z
    ._default(z.enum(['usvhost', 'ovs']), 'usvhost')
    .check(z.describe('the switch of the node: `usvhost switch`, or Open vSwitch with DPDK')),
  ovs: ovsField,
  kubernetes: z
    ._default(z.enum(['auto', 'off']), 'auto')
    .check(
      z.describe(
        'events on pods, the condition of the node and a watch of its pods; auto: with kubeconfig, or in a pod with a service account',
      ),
    ),
  kubeconfig: z
    .optional(absolutePath)
    .check(z.describe("credentials for the API server; default the service account of the agent's pod")),
  nodeName: z
    .optional(z.string().check(z.regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/)))
    .check(z.describe('name of the node in Kubernetes; nothing is told to the API server without it')),
  nodeCondition: z
    ._default(z.boolean(), true)
    .check(z.describe('whether the node has the condition UsvhostSwitchReady')),
  reconcileSeconds: integerField(1, 3600, 60, 'pause between two looks for what no pod owns any more'),
});

export type AgentConfig = Readonly<z.output<typeof agentConfigSchema>>;
