// SPDX-License-Identifier: Apache-2.0
//
// What a reader must know about the machine, and the hugepages that DPDK wants. Pages are only added to what is there, and
// what was added is taken away again; pages of others are never touched.

import { readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { allowedCpus } from '../test/support/cpus.ts';
import type { BenchDocument } from './document.ts';

const pagesFile = '/proc/sys/vm/nr_hugepages';

export function describeMachine(options: { readonly hugepages: boolean }): BenchDocument['machine'] {
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown',
    cpus: allowedCpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    architecture: arch(),
    node: process.version,
    load: loadavg()[0] ?? 0,
    hugepages: options.hugepages,
  };
}

function pageNumber(name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0);
}

export interface Hugepages {
  readonly enough: boolean;
  /** Takes away what was added. */
  restore(): void;
}

/** Sees to so many free bytes in hugepages of the machine's default size, adding pages where we may. */
export function reserveHugepages(bytes: number): Hugepages {
  const pageBytes = pageNumber('Hugepagesize') * 1024;
  if (pageBytes === 0) return { enough: false, restore: () => undefined };
  const missing = Math.ceil(bytes / pageBytes) - pageNumber('HugePages_Free');
  if (missing <= 0) return { enough: true, restore: () => undefined };
  const before = pageNumber('HugePages_Total');
  try {
    writeFileSync(pagesFile, String(before + missing));
  } catch {
    // Not root, or a read-only /proc: peers run on ordinary pages, and the report says so.
    return { enough: false, restore: () => undefined };
  }
  // The kernel gives as many as it finds.
  const added = pageNumber('HugePages_Total') - before;
  const restore = (): void => writeFileSync(pagesFile, String(pageNumber('HugePages_Total') - added));
  return { enough: added >= missing, restore };
}
