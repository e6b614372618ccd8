// SPDX-License-Identifier: Apache-2.0
//
// A port.json as a node writes it.

import type { PortContract } from '../../../lib/port-contract.ts';

export const contract: PortContract = {
  version: 1,
  ifname: 'net1',
  socket: {
    pod: '/var/run/usvhost/net1/vhost.sock',
    host: '/run/usvhost/ports/p0123456789abcd/vhost.sock',
  },
  podRole: 'client',
  mac: '02:00:00:00:00:0a',
  mtu: 1500,
  queues: 1,
  queueSize: 512,
  ips: ['fd00::1/64', '10.1.2.3/24', '10.1.2.4/24'],
  endpoint: 'tap',
};
