// SPDX-License-Identifier: Apache-2.0
//
// port.json, the contract between the node and whoever runs in a pod: where the socket is on either side, who listens,
// and what the port is like. The node writes it, a dataplane reads it; `version` changes when a key's meaning does.

import * as z from 'zod/mini';

const mac = z.string().check(z.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/));

/** A pod's side may be newer or older than the node's, so unknown keys are ignored. */
export const portContractSchema = z.object({
  version: z.literal(1).check(z.describe("of the contract; it changes when a key's meaning does")),
  ifname: z.string().check(z.describe("name of the interface in the pod, and of the port's directory there")),
  socket: z.object({
    pod: z.string().check(z.describe('path of the vhost-user socket in the pod')),
    host: z.string().check(z.describe('path of the same socket on the node')),
  }),
  podRole: z
    .enum(['client', 'server'])
    .check(
      z.describe(
        "the pod's role on the socket: `client` connects, `server` listens; the switch has the other one",
      ),
    ),
  mac: mac.check(z.describe("MAC address of the pod's end, lower case")),
  mtu: z.int().check(z.minimum(68), z.maximum(65_535), z.describe('largest layer 3 packet in bytes')),
  queues: z.int().check(z.minimum(1), z.describe('queue pairs')),
  queueSize: z.int().check(z.minimum(2), z.describe('entries of each ring')),
  ips: z
    .array(z.string())
    .check(z.describe('addresses of the interface with prefix length, `10.1.2.3/24`; may be empty')),
  endpoint: z
    .enum(['tap', 'socket'])
    .check(
      z.describe(
        '`tap`: the pod has a kernel interface of this name that the sidecar feeds; `socket`: it uses the socket itself',
      ),
    ),
  network: z.optional(
    z
      .string()
      .check(z.describe('name of the network that the port is in; absent from nodes that do not tell')),
  ),
  vlan: z.optional(
    z
      .int()
      .check(
        z.minimum(1),
        z.maximum(4094),
        z.describe("VLAN of the pod's untagged frames on the switch; absent where it has none"),
      ),
  ),
  pod: z.optional(
    z.object({
      namespace: z.string().check(z.describe('namespace of the pod')),
      name: z
        .string()
        .check(z.describe('name of the pod; the two are absent where the runtime does not say')),
    }),
  ),
});

export type PortContract = Readonly<z.output<typeof portContractSchema>>;
