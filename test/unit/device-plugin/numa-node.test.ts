// SPDX-License-Identifier: Apache-2.0
//
// Memory of a node as the kernel writes it, and words for a node that is not there.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { availableOnNode } from '../../../device-plugin/numa-node.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let nodes = '';

beforeEach(() => {
  nodes = newRoot();
});

function node(number: number, lines: readonly string[]): void {
  mkdirSync(join(nodes, `node${number}`));
  const text = lines.map((line) => `Node ${number} ${line} kB\n`).join('');
  writeFileSync(join(nodes, `node${number}`, 'meminfo'), text);
}

test('free pages and those of files, without shared memory', () => {
  node(0, ['MemTotal:  100000', 'MemFree:   1000', 'Active(file):  7', 'FilePages:   500', 'Shmem:    200']);
  expect(availableOnNode(0, nodes)).toBe(1300 * 1024);
});

test('a node of CPUs only', () => {
  node(1, ['MemTotal:  0', 'MemFree:   0', 'FilePages:   0', 'Shmem:    0']);
  expect(availableOnNode(1, nodes)).toBe(0);
});

test('no such node', () => {
  expect(() => availableOnNode(2, nodes)).toThrow(
    expect.objectContaining({ code: 'USV_MEMORY', message: expect.stringContaining('no NUMA node 2') }),
  );
});
