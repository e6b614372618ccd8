// SPDX-License-Identifier: Apache-2.0
//
// Ports that are bound into pods, from the kernel's table of mounts (proc_pid_mountinfo(5)) of the namespace we run in.

import { basename, dirname, relative } from 'node:path';
import { unescapePath } from '../../device-plugin/mount-points.ts';

export interface PortMount {
  /** Where it is mounted. */
  readonly point: string;
  /** Device and interface, as the directories below pods/ are named. */
  readonly device: string;
  readonly ifname: string;
  /** The port whose directory is bound. */
  readonly port: string;
  /** The directory was removed; the pod holds one that nobody else sees. */
  readonly orphaned: boolean;
}

/** What mountinfo appends to the root of a bind whose directory is gone. */
const deletedMark = '//deleted';

/** The ports bound below `podsDir`, of which every symbolic link must be resolved. */
export function portMounts(mountinfo: string, podsDir: string): PortMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    // Fields: mount id, parent id, major:minor, root, mount point, …, and behind a dash type and source.
    const [, , , root = '', point = ''] = line.split(' ').map(unescapePath);
    // A file system of the port's own (cni/port-directory.ts) has the port as its source.
    const own = / - tmpfs (p[0-9a-f]{14}) /.exec(line)?.[1];
    const [device, ifname, ...more] = relative(podsDir, point).split('/');
    if (!point.startsWith(`${podsDir}/`) || device === undefined || ifname === undefined || more.length > 0)
      return [];
    if (own !== undefined) return [{ point, device, ifname, port: own, orphaned: false }];
    const orphaned = root.endsWith(deletedMark);
    const source = orphaned ? root.slice(0, -deletedMark.length) : root;
    // Memory of the pod may be mounted there too.
    if (basename(dirname(source)) !== 'ports') return [];
    return [{ point, device, ifname, port: basename(source), orphaned }];
  });
}
