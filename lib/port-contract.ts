// SPDX-License-Identifier: Apache-2.0
//
// port.json, the contract between the node and whoever runs in a pod: where the socket is on either side, who listens,
// and what the port is like. The node writes it, a dataplane reads it; `version` changes when a key's meaning does.

import * as z from 'zod/mini';

/** A pod's side may be newer or older than the node's, so unknown keys are ignored. */
export const portContractSchema = z.object({
  version: z.literal(1),
  ifname: z.string(),
  socket: z.object({ pod: z.string(), host: z.string() }),
  /** The pod's role on the socket: `client` connects, `server` listens. The switch has the other one. */
  podRole: z.enum(['client', 'server']),
  mac: z.string().check(z.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)),
  mtu: z.int().check(z.minimum(68), z.maximum(65_535)),
  queues: z.int().check(z.minimum(1)),
  queueSize: z.int().check(z.minimum(2)),
  /** Addresses with prefix length, `10.1.2.3/24`. */
  ips: z.array(z.string()),
  /** `tap`: the pod has a kernel interface of this name that the sidecar feeds; `socket`: it uses the socket itself. */
  endpoint: z.enum(['tap', 'socket']),
});

export type PortContract = Readonly<z.output<typeof portContractSchema>>;
