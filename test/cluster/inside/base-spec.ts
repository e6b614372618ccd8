// SPDX-License-Identifier: Apache-2.0
//
// What every container of the node begins with: containerd's own specification, and a hook by which it sees the boot id of the node
// once that has been rebooted. A container has a procfs of its own, and runc lets no mount of a pod cover a file in it.

import { writeFileSync } from 'node:fs';
import { run } from '../../../cli/demo/process.ts';
import type { Paths } from '../paths.ts';

/** The working directory of such a hook is the container's root, still outside of it (runtime-spec, config.md, createContainer). */
const script = `if [ -e "$0" ]; then mount --bind "$0" proc/sys/kernel/random/boot_id; fi`;

export async function writeBaseSpec({ baseSpec, bootId }: Paths): Promise<void> {
  const spec = JSON.parse(await run(['ctr', 'oci', 'spec']));
  // The runtime's limits are those of its own process, as without a base.
  delete spec.process.rlimits;
  const hook = { path: '/bin/sh', args: ['sh', '-c', script, bootId], env: [`PATH=${process.env['PATH']}`] };
  writeFileSync(baseSpec, JSON.stringify({ ...spec, hooks: { createContainer: [hook] } }));
}
