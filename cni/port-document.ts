// SPDX-License-Identifier: Apache-2.0
//
// Writes port.json, the contract of lib/port-contract.ts, from what an ADD has decided.

import { hostPaths, podMountPath } from '../lib/names.ts';
import type { PortContract } from '../lib/port-contract.ts';
import type { Attachment } from './attachment.ts';
import type { PluginConfig } from './config.ts';
import type { CniIp } from './result.ts';

/** Text of the port.json of an attachment. */
export function portDocument(
  root: string,
  attachment: Attachment,
  config: Pick<PluginConfig, 'queues' | 'queueSize'>,
  ips: readonly CniIp[],
  pod: PortContract['pod'],
): string {
  const document: PortContract = {
    version: 1,
    ifname: attachment.ifname,
    socket: {
      pod: `${podMountPath}/${attachment.ifname}/vhost.sock`,
      host: hostPaths(root).portSocket(attachment.port),
    },
    podRole: attachment.podRole,
    mac: attachment.mac,
    mtu: attachment.mtu,
    queues: config.queues,
    queueSize: config.queueSize,
    ips: ips.map(({ address }) => address),
    endpoint: attachment.endpoint,
    network: attachment.network,
    ...(attachment.portOptions?.vlan === undefined ? {} : { vlan: attachment.portOptions.vlan }),
    ...(pod === undefined ? {} : { pod }),
  };
  return `${JSON.stringify(document)}\n`;
}
