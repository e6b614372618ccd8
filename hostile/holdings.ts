// SPDX-License-Identifier: Apache-2.0
//
// What a process holds, as /proc tells: descriptors, mappings of files that pods have shared, threads, memory.

import { readdirSync, readFileSync } from 'node:fs';
import type { Holdings } from './observation.ts';

/** Files that the player shares: memfds of its own name, and files without a name in /dev/shm. */
const sharedFile = /\/memfd:hostile |\/dev\/shm\/#/;

export function holdingsOf(pid: number): Holdings {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mappings: maps.split('\n').filter((line) => sharedFile.test(line)).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}

/** Resident memory of a process in KiB, without what it shares with others (proc(5), RssAnon). */
export function anonymousKib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
}
