// SPDX-License-Identifier: Apache-2.0
//
// What a NUMA node has of memory, as sysfs says it. Memory that is bound to a node is not taken from another one when the
// node has none: the kernel would rather end processes, so it is looked at before.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';

/**
 * Bytes that are free or could be at once: files that can be read again, without shared memory. `nodesDir` is where the kernel
 * describes nodes, default /sys/devices/system/node. Throws USV_MEMORY when there is no such node.
 */
export function availableOnNode(node: number, nodesDir = '/sys/devices/system/node'): number {
  const path = join(nodesDir, `node${node}`, 'meminfo');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = errnoOf(cause);
    throw usvFailure('USV_MEMORY', `there is no NUMA node ${node} on this machine: ${path}: ${reason}`, {
      cause,
    });
  }
  const bytes = (line: string): number =>
    Number(new RegExp(` ${line}:\\s+(\\d+) kB`).exec(text)?.[1] ?? 0) * 1024;
  return bytes('MemFree') + Math.max(bytes('FilePages') - bytes('Shmem'), 0);
}
