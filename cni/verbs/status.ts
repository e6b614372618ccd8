// SPDX-License-Identifier: Apache-2.0
//
// STATUS: can this node do an ADD now? Without the switch it cannot (CNI 1.1.0, section 2, STATUS).

import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import type { Call, CniDeps } from '../call.ts';
import { readConfig, requireVersion } from '../config.ts';
import { ipamStatus } from '../ipam.ts';

/** CNI 1.1.0, section 5: the plugin cannot do an ADD. */
const notAvailable = 50;
/** The same, and containers of this network may have lost their connection. */
const notAvailableLimited = 51;

export async function status(call: Call, deps: CniDeps): Promise<void> {
  requireVersion('STATUS', call.version, '1.1.0');
  const config = readConfig(call.input);
  try {
    await deps.switchPorts.ping();
  } catch (error) {
    if (!(error instanceof UsvhostError)) throw error;
    const inUse = deps.store.list().some(({ network }) => network === config.name);
    const cni = inUse ? notAvailableLimited : notAvailable;
    throw usvFailure(error.code, error.details, { cause: error, cni });
  }
  if (config.ipam !== undefined) {
    await ipamStatus(call.steps, { plugin: config.ipam.type, input: call.input, version: call.version });
  }
}
