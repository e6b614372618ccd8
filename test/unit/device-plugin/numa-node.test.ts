// SPDX-License-Identifier: Apache-2.0
//
// CPUs of a node as the kernel writes them, and words for a node that cannot be used.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { cpusOfNode } from '../../../device-plugin/numa-node.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let nodes = '';

beforeEach(() => {
  nodes = newRoot();
  for (const [node, cpus] of ['0-3,8\n', '\n'].entries()) {
    mkdirSync(join(nodes, `node${node}`));
    writeFileSync(join(nodes, `node${node}`, 'cpulist'), cpus);
  }
});

test('the list is that of the kernel', () => {
  expect(cpusOfNode(0, nodes)).toBe('0-3,8');
});

test.each([
  ['a node without CPUs', 1, 'has no CPU'],
  ['no such node', 2, 'no NUMA node 2'],
])('%s', (_, node, reason) => {
  expect(() => cpusOfNode(node, nodes)).toThrow(
    expect.objectContaining({ code: 'USV_MEMORY', message: expect.stringContaining(reason) }),
  );
});
