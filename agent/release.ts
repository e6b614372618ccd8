// SPDX-License-Identifier: Apache-2.0
//
// The part of a DEL that needs no privilege: the record says that it is going, the switch gives up the port. Mounts and
// addresses of a plugin need a shim; while there is any, the record stays for agent/leftovers.ts.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { type Attachment, type AttachmentStore, attachmentPaths } from '../cni/attachment.ts';
import { errnoOf } from '../lib/errno.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

export interface ReleaseDeps {
  /** <root>/run/usvhost */
  readonly runDir: string;
  readonly store: Pick<AttachmentStore, 'put' | 'remove' | 'buryPort'>;
  readonly switchPorts: { removePort(name: string): Promise<boolean> };
  readonly log: Logger;
}

/** False only for what is known to be absent. A symbolic link exists, wherever it leads. */
export function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // Such as EACCES: what cannot be seen is not gone.
    if (errnoOf(error) === '') throw error;
    return true;
  }
}

/** Takes a port from the switch, now or when it can be reached. */
export async function releasePort(port: string, { switchPorts, store, log }: ReleaseDeps): Promise<void> {
  try {
    await switchPorts.removePort(port);
  } catch (error) {
    if (!(error instanceof UsvhostError)) throw error;
    store.buryPort(port);
    log.warn({ port, err: error }, 'the switch could not be asked to remove the port');
  }
}

/** Whether nothing of the attachment is left that only a shim can take away. */
function isBare(attachment: Attachment, runDir: string): boolean {
  const { podPort, portDir } = attachmentPaths(attachment.port, attachment.device, attachment.ifname);
  return attachment.ipamConfig === null && !exists(join(runDir, podPort)) && !exists(join(runDir, portDir));
}

/** Releases an attachment that no pod owns; true when nothing is left of it, the record included. */
export async function release(record: Attachment, deps: ReleaseDeps): Promise<boolean> {
  deps.store.put({ ...record, state: 'deleting' });
  await releasePort(record.port, deps);
  if (!isBare(record, deps.runDir)) return false;
  deps.store.remove(record);
  return true;
}
