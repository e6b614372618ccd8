// SPDX-License-Identifier: Apache-2.0
//
// The node's network: an address that is not the loopback's and leads nowhere, and the default network of its pods.

import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { run } from '../../../cli/demo/process.ts';
import { defaultNetwork, nodeAddress, podNetwork, singleNetwork } from '../names.ts';

const bridgeFilter = '/proc/sys/net/bridge/bridge-nf-call-iptables';

/** `plugins` is the directory that the runtime's CNI plugins are copied from. */
export async function makeNetwork(plugins: string): Promise<void> {
  await run(['ip', 'link', 'set', 'lo', 'up']);
  // Kubernetes refuses a node at 127.0.0.1. A bridge needs no peer and no module.
  await run(['ip', 'link', 'add', 'node0', 'type', 'bridge']);
  await run(['ip', 'address', 'add', `${nodeAddress}/24`, 'dev', 'node0']);
  await run(['ip', 'link', 'set', 'node0', 'up']);
  await run(['ip', 'route', 'add', 'default', 'dev', 'node0']);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  // So that a pod reaches a pod on the same bridge by its service; not every kernel has it.
  if (existsSync(bridgeFilter)) writeFileSync(bridgeFilter, '1');
  cpSync(plugins, '/opt/cni/bin', { recursive: true });
  writeFileSync(defaultNetwork, JSON.stringify({ ...network, plugins: [bridge] }));
  writeFileSync(singleNetwork, JSON.stringify({ ...network, ...bridge }));
}

const network = { cniVersion: '1.0.0', name: 'default' };
const bridge = {
  type: 'bridge',
  bridge: 'cni0',
  isGateway: true,
  hairpinMode: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: podNetwork }]], routes: [{ dst: '0.0.0.0/0' }] },
};
