// SPDX-License-Identifier: Apache-2.0
//
// The CPUs that this process may use, which a container's set may number in any way.

import { readFileSync } from 'node:fs';

/** `0-2,5` as [0, 1, 2, 5] (cpuset(7), "List format"). */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** In ascending order, at least one. */
export function allowedCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'utf8');
  return parseCpuList(/^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '0');
}
