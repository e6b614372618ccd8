// SPDX-License-Identifier: Apache-2.0
//
// The handler that is measured: what native l2fwd does on one port.

import type { PacketHandler } from '../../dataplane/packet-api.ts';

export function setup(): PacketHandler {
  return {
    onBurst(burst) {
      for (const frame of burst) {
        frame.swapAddresses();
        frame.reply();
      }
    },
  };
}
