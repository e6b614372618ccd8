// SPDX-License-Identifier: Apache-2.0
//
// What the machine must have before anything is built or started: better one line now than a puzzle in a log later.

import { readFileSync } from 'node:fs';
import { usvFailure } from '../../../lib/errors.ts';
import { clusterPeers, describePeers, missingPeers } from '../../../scripts/packages.ts';

/** @throws UsvhostError USV_PEER_MISSING */
export function requireMachine(): void {
  const missing = missingPeers(clusterPeers);
  if (missing.length > 0) throw usvFailure('USV_PEER_MISSING', `the cluster needs ${describePeers(missing)}`);
}

/** Hierarchies of version 1 by their controllers or by name: `['cpu,cpuacct', 'memory', 'name=systemd', …]`. */
export function controllerSets(): string[] {
  const sets = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[1] ?? '')
    .filter((set) => set !== '');
  if (sets.some((set) => !set.includes('=')) && !sets.includes('hugetlb') && hasHugetlb())
    sets.push('hugetlb');
  return sets;
}

/** It may be there without being mounted; then it can be taken from the unified hierarchy. */
function hasHugetlb(): boolean {
  return /^hugetlb\s/m.test(readFileSync('/proc/cgroups', 'utf8'));
}
