// SPDX-License-Identifier: Apache-2.0
//
// The directory of a port where the switch does not make it: a small tmpfs of its own, on which nobody follows a symbolic
// link. The pod writes into it and a switch that trusts paths opens `vhost.sock` in it; with a link the pod would send that
// switch to a socket of somebody else. It is made before the port and goes after it (docs/decisions/011-ovs-port-directory.md).

import { attachmentPaths } from './attachment.ts';
import type { SwitchPorts } from './call.ts';
import { type Steps, unless } from './session.ts';

/** Room for port.json, a socket, and what a driver keeps beside it; not for filling the memory of the node. */
const small = { mode: 0o1777, bytes: 65_536, inodes: 64 } as const;

type Abilities = Pick<SwitchPorts, 'abilities'>;

/** Nothing where the switch makes the directory itself. What a cut call has left there is covered by nothing. */
export async function makePortDirectory(steps: Steps, { abilities }: Abilities, port: string): Promise<void> {
  if (abilities.portDirectory === 'switch') return;
  const { portDir } = attachmentPaths(port, 'x', 'x');
  const made = await unless(['EEXIST'], steps.mkdir(portDir, { mode: 0o755, uid: 0, gid: 0 }));
  if (!made) await unless(['EINVAL'], steps.unmount(portDir));
  await steps.mountSmallFs(portDir, small);
}

/** Takes the file system away with all that the pod has left in it; the empty directory below stays. */
export async function emptyPortDirectory(
  steps: Steps,
  { abilities }: Abilities,
  port: string,
): Promise<void> {
  if (abilities.portDirectory === 'switch') return;
  const { portDir } = attachmentPaths(port, 'x', 'x');
  await unless(['EINVAL', 'ENOENT'], steps.unmount(portDir));
}
