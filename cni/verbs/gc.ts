// SPDX-License-Identifier: Apache-2.0
//
// GC (CNI 1.1.0, section 2): removes every attachment of the network that the runtime does not list as valid. All are tried,
// whatever happens to one; the failures make one error. What this node has no record of is the reconciler's, not ours.

import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import type { Attachment } from '../attachment.ts';
import type { Call, CniDeps } from '../call.ts';
import { AttachmentLog, attachmentFields } from '../call-log.ts';
import { type GcConfig, readForGc, requireVersion } from '../config.ts';
import { ipamGc } from '../ipam.ts';
import { standInForRecord } from '../stand-in.ts';
import { dismantle } from './del.ts';

export async function gc(call: Call, deps: CniDeps): Promise<void> {
  requireVersion('GC', call.version, '1.1.0');
  const config = readForGc(call.input);
  const failures: string[] = [];
  const attempt = async (what: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      failures.push(`${what}: ${error.message}`);
    }
  };
  for (const record of deps.store.list().filter((each) => isStale(each, config))) {
    const { containerId, ifname } = record;
    await attempt(`${ifname} of ${containerId}`, () => remove(call, deps, record));
  }
  const { ipamType: plugin } = config;
  if (plugin !== undefined) {
    const delegation = { plugin, input: call.input, version: call.version };
    await attempt(`the IPAM plugin ${plugin}`, () => ipamGc(call.steps, delegation));
  }
  if (failures.length > 0) throw usvFailure('USV_GC', failures.join('; '));
}

function isStale({ network, containerId, runtimeIfname }: Attachment, config: GcConfig): boolean {
  if (network !== config.network) return false;
  return !config.valid.some(
    ({ containerID, ifname }) => containerID === containerId && ifname === runtimeIfname,
  );
}

// Between the calls of its container, never behind the back of one.
async function remove(call: Call, deps: CniDeps, { containerId, ifname }: Attachment): Promise<void> {
  const task = async (): Promise<void> => {
    const record = deps.store.get({ containerId, ifname });
    if (record === undefined) return;
    const log = new AttachmentLog(deps.log, attachmentFields(record));
    await dismantle(standInForRecord(record, call.steps), { ...deps, log }, record);
    log.info({}, 'GC removed an attachment');
  };
  // A runtime that sets CNI_CONTAINERID for a GC has put this call itself into the container's queue.
  await (containerId === call.request.containerId ? task() : deps.queue.run(containerId, task));
}
