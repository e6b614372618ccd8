// SPDX-License-Identifier: Apache-2.0
//
// All that a guest has besides its kernel: busybox, the modules of its network interface, iperf3 with its libraries, and a
// first process that runs commands which come over its second serial port.

import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { usvFailure } from '../../../lib/errors.ts';
import type { GuestKernel } from '../../../scripts/guest-kernel.ts';
import { copyInto, copyLibrariesOf } from '../../../scripts/image/libraries.ts';
import { findProgram } from '../../../scripts/packages.ts';
import { cpioArchive, type Entry } from './cpio.ts';

/** The guest's end of what Guest.run speaks: `NUMBER COMMAND`, answered by output and `done NUMBER STATUS`. */
const firstProcess = (modules: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
ln -s /proc/self/fd /dev/fd
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
for module in ${modules.join(' ')}; do insmod "/lib/$module" || exit; done
ip link set lo up
stty raw -echo </dev/ttyS1
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo done 0 0
while read -r number command; do
  (eval "$command") </dev/null
  printf '\\ndone %s %s\\n' "$number" "$?"
done
`;

function tree(root: string): Entry[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry): Entry => {
      const file = join(entry.parentPath, entry.name);
      const path = file.slice(root.length + 1);
      if (entry.isDirectory()) return { path };
      if (entry.isSymbolicLink()) return { path, content: readlinkSync(file), link: true };
      return { path, content: readFileSync(file) };
    })
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

function required(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw usvFailure('USV_PEER_MISSING', name);
  return path;
}

/** `programs`: files that the guest has besides, in its root directory. @throws UsvhostError USV_PEER_MISSING, USV_IO */
export async function guestInitramfs(kernel: GuestKernel, programs: readonly string[]): Promise<Buffer> {
  const root = mkdtempSync(join(tmpdir(), 'usv-guest-'));
  try {
    const iperf3 = required('iperf3');
    copyInto(root, iperf3);
    for (const program of programs) copyInto(root, program, basename(program));
    for (const program of [iperf3, ...programs]) await copyLibrariesOf(program, root);
    copyInto(root, required('busybox'), 'bin/busybox');
    for (const module of kernel.modules) copyInto(root, module, `lib/${basename(module)}`);
    return cpioArchive([
      ...tree(root),
      ...['dev', 'proc', 'sys', 'tmp'].map((path) => ({ path })),
      { path: 'init', content: firstProcess(kernel.modules.map((module) => basename(module))) },
    ]);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
