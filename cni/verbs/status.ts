// SPDX-License-Identifier: Apache-2.0
//
// STATUS: can this node do an ADD now? Code 50 when the switch does not answer (CNI 1.1.0, section 2, STATUS).

import { UsvhostError, usvError, usvFailure } from '../../lib/errors.ts';
import type { Call, CniDeps } from '../call.ts';
import { isAtLeast, readConfig } from '../config.ts';
import { ipamStatus } from '../ipam.ts';

/** CNI 1.1.0, section 2: the plugin is not available. */
const notAvailable = 50;

export async function status(call: Call, deps: CniDeps): Promise<void> {
  if (!isAtLeast(call.version, '1.1.0')) {
    const what = 'cniVersion of a STATUS';
    throw usvError('USV_CNI_VERSION', { what, expected: 'at least 1.1.0', got: call.version });
  }
  const config = readConfig(call.input);
  try {
    await deps.switchPorts.ping();
  } catch (error) {
    if (!(error instanceof UsvhostError)) throw error;
    throw usvFailure(error.code, error.details, { cause: error, cni: notAvailable });
  }
  if (config.ipam !== undefined) {
    await ipamStatus(call.steps, { plugin: config.ipam.type, input: call.input, version: call.version });
  }
}
