// SPDX-License-Identifier: Apache-2.0
//
// The CPUs of a NUMA node, as sysfs lists them: the kernel takes memory near the CPU that asks for it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';

/**
 * The list in the kernel's form, `0-3,8`. `nodesDir` is where the kernel describes nodes, default
 * /sys/devices/system/node. Throws USV_MEMORY when there is no such node, or it has no CPU.
 */
export function cpusOfNode(node: number, nodesDir = '/sys/devices/system/node'): string {
  const path = join(nodesDir, `node${node}`, 'cpulist');
  let cpus: string;
  try {
    cpus = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const reason = errnoOf(cause);
    throw usvFailure('USV_MEMORY', `there is no NUMA node ${node} on this machine: ${path}: ${reason}`, {
      cause,
    });
  }
  if (cpus !== '') return cpus;
  throw usvFailure('USV_MEMORY', `NUMA node ${node} has no CPU from which its memory could be taken`);
}
