// SPDX-License-Identifier: Apache-2.0
//
// What processes have used of CPUs, as the scheduler counts it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Time on a CPU of all threads, in milliseconds (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat). */
export function cpuMillis(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks)
    .map((task) => Number(readFileSync(join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]) / 1e6)
    .reduce((sum, millis) => sum + millis, 0);
}
