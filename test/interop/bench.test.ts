// SPDX-License-Identifier: Apache-2.0
//
// The benchmark command itself: every case runs, briefly and with frames of few sizes, and the document keeps its schema. Its numbers
// mean nothing.

import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { benchDocument } from '../../bench/document.ts';
import { needs } from '../support/need.ts';

const project = new URL('../..', import.meta.url).pathname;

/** Cases of a run without names, in their order. */
const usual = [
  'driver-to-vhost',
  'switch-loop',
  'many-ports',
  'forward-loop',
  'handler',
  'idle',
  'tcp',
  'cni',
];

function bench(...args: readonly string[]): { readonly lines: string[]; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'bench', '--', ...args], {
    cwd: project,
    encoding: 'utf8',
  });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return { lines: stdout.trimEnd().split('\n'), stderr };
}

test('--list names the cases', () => {
  const names = bench('--list').lines.map((line) => line.split(' ')[0]);
  expect(names).toEqual([...usual, 'pods']);
});

needs(
  'dpdk-testpmd',
  'ovs-vswitchd-dpdk',
  'iperf3',
  'ping',
  'ip',
  'unshare',
  'nsenter',
  'host-local',
  'valgrind',
)(
  'a run of all cases ends with a document of the schema',
  () => {
    const { lines, stderr } = bench('--json', '--seconds', '0.1', '--rounds', '1', '--where', 'size=64,imix');
    const { cases, skipped } = benchDocument.parse(JSON.parse(lines.at(-1) ?? ''));
    expect(skipped).toEqual([]);
    expect([...new Set(cases.map(({ name }) => name))]).toEqual(usual);
    for (const { candidates, params, ratio } of cases) {
      expect(candidates[0]?.name).toBe('usvhost');
      // A switch that sleeps all the time has used no CPU.
      const least = params['metric'] === 'switch-cpu' ? 0 : Number.MIN_VALUE;
      for (const { median } of candidates) expect(median).toBeGreaterThanOrEqual(least);
      for (const value of Object.values(ratio)) expect(value).toBeGreaterThan(0);
    }
    // Progress is for people, and not on standard output.
    expect(stderr).toContain('switch-loop size=64');
    expect(lines).toHaveLength(1);
  },
  360_000,
);
