// SPDX-License-Identifier: Apache-2.0
//
// What a record asks of the switch: the same port for the ADD that makes it and for a switch that has lost it.

import type { Attachment } from './attachment.ts';
import type { WantedPort } from './call.ts';

export function wantedPort(attachment: Attachment): WantedPort {
  const { port, network, mac, mtu, podRole, portOptions } = attachment;
  const { containerId, ifname, podNamespace, podName, podUid } = attachment;
  return {
    name: port,
    network,
    mac,
    mtu,
    podRole,
    ...(portOptions === undefined ? {} : { options: portOptions }),
    holder: { containerId, ifname, podNamespace, podName, podUid },
  };
}
