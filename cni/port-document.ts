// SPDX-License-Identifier: Apache-2.0
//
// port.json, the contract with whoever runs in the pod: where the socket is on either side, who connects, and what the
// port is like. Readers ignore keys they do not know; `version` changes when a key's meaning does.

import { hostPaths } from '../lib/names.ts';
import type { Attachment } from './attachment.ts';
import type { PluginConfig } from './config.ts';
import type { CniIp } from './result.ts';

interface PortDocument {
  readonly version: 1;
  readonly ifname: string;
  readonly socket: { readonly pod: string; readonly host: string };
  /** The pod's role on the socket: `client` connects. */
  readonly podRole: 'client';
  readonly mac: string;
  readonly mtu: number;
  readonly queues: number;
  readonly queueSize: number;
  readonly ips: readonly string[];
  readonly endpoint: 'tap' | 'socket';
}

/** Text of the port.json of an attachment. */
export function portDocument(
  root: string,
  attachment: Attachment,
  config: Pick<PluginConfig, 'queues' | 'queueSize'>,
  ips: readonly CniIp[],
): string {
  const document: PortDocument = {
    version: 1,
    ifname: attachment.ifname,
    socket: {
      pod: `/var/run/usvhost/${attachment.ifname}/vhost.sock`,
      host: hostPaths(root).portSocket(attachment.port),
    },
    podRole: 'client',
    mac: attachment.mac,
    mtu: attachment.mtu,
    queues: config.queues,
    queueSize: config.queueSize,
    ips: ips.map(({ address }) => address),
    endpoint: attachment.endpoint,
  };
  return `${JSON.stringify(document)}\n`;
}
