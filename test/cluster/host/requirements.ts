// SPDX-License-Identifier: Apache-2.0
//
// What the machine must have before anything is built or started: better one line now than a puzzle in a log later.

import { readFileSync } from 'node:fs';
import { usvError, usvFailure } from '../../../lib/errors.ts';
import { describePeers, missingPeers, type PeerName } from '../../../scripts/packages.ts';

/** Programs that the cluster is made of or with. */
export const clusterPeers = [
  'go',
  'runc',
  'busybox',
  'nft',
  'openssl',
  'ip',
  'unshare',
  'nsenter',
] as const satisfies readonly PeerName[];

/** @throws UsvhostError USV_PEER_MISSING or USV_CONFIG */
export function requireMachine(): void {
  const missing = missingPeers(clusterPeers);
  if (missing.length > 0) throw usvFailure('USV_PEER_MISSING', `the cluster needs ${describePeers(missing)}`);
  if (process.getuid?.() !== 0) {
    const got = `user ${process.getuid?.()}`;
    throw usvError('USV_CONFIG', { what: 'the user that starts a cluster', expected: 'root', got });
  }
  if (controllerSets().length === 0) {
    const expected = 'control groups of version 1 (legacy or hybrid)';
    throw usvError('USV_CONFIG', { what: '/proc/self/cgroup', expected, got: 'only the unified hierarchy' });
  }
}

/** Controllers of version 1 as they are mounted together on this machine: `['cpu,cpuacct', 'memory', …]`. */
export function controllerSets(): string[] {
  const sets = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[1] ?? '')
    .filter((set) => set !== '' && !set.includes('='));
  if (sets.length > 0 && !sets.includes('hugetlb') && hasHugetlb()) sets.push('hugetlb');
  return sets;
}

/** It may be there without being mounted; then it can be taken from the unified hierarchy. */
function hasHugetlb(): boolean {
  return /^hugetlb\s/m.test(readFileSync('/proc/cgroups', 'utf8'));
}
