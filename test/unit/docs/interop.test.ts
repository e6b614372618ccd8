// SPDX-License-Identifier: Apache-2.0
//
// docs/interop.md shows the matrix that the tests run by, and docs/features.md promises nothing without a test.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../scripts/main.ts';
import { matrix, matrixTable } from '../../interop/matrix.ts';

const textOf = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');

test('the page has the matrix', () => {
  const table = /^\| peer \| mode[\s\S]*?(?=\n\n|\n$)/m.exec(textOf('docs/interop.md'))?.[0];
  expect(table).toBe(matrixTable());
});

test('every row is of a test that is there, and every test that meets a peer of the datapath has a row', () => {
  const files = readdirSync(join(projectRoot, 'test/interop')).filter((name) => name.endsWith('.test.ts'));
  const otherwise = ['bench.test.ts', 'guest-numa.test.ts', 'prometheus.test.ts'];
  expect([...new Set(matrix.map((row) => row.test))].toSorted()).toEqual(
    files.filter((name) => !otherwise.includes(name)).toSorted(),
  );
});

/** Rows of the table of features: name, then a cell for the switch and one for the driver. */
const rows = textOf('docs/features.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| feature'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, feature = '', ours = '', driver = '']) => ({ feature, ours, driver }));

test('there are features', () => {
  expect(rows.length).toBeGreaterThan(15);
});

test.each(rows)('$feature: yes with its test, or no', ({ ours, driver }) => {
  for (const cell of [ours, driver]) {
    if (cell === 'no' || cell === 'n/a') continue;
    // `tap`: the driver has it where its engine is the tap, whose kernel does the work.
    const [, path] = /^\[(?:yes|tap)\]\(\.\.\/([\w./-]+)\)$/.exec(cell) ?? [];
    expect({ cell, path, exists: existsSync(join(projectRoot, path ?? '')) }).toEqual({
      cell,
      path,
      exists: true,
    });
    expect(path).toMatch(/^(?:native\/test\/.*_test\.cc|test\/.*\.test\.ts)$/);
  }
});

const header = textOf('native/virtio/features.h');

/** Names of the bits in a definition of native/virtio/features.h and in those that it names, without their prefixes. */
function offered(constant: string): string[] {
  const [, definition = ''] = new RegExp(`${constant} =([^;]*);`).exec(header) ?? [];
  const others = [...definition.matchAll(/k\w+Features/g)].flatMap(([name]) => offered(name));
  const bits = [...definition.matchAll(/VIRTIO_(?:NET_|RING_)?F_(\w+)/g)].map(([, name = '']) => name);
  return [...others, ...bits];
}

test.each([
  ['kBackEndFeatures', 'ours'],
  ['kFrontEndFeatures', 'driver'],
] as const)('every bit of %s is a yes', (constant, column) => {
  const promised = rows.filter((row) => row[column] !== 'no').map(({ feature }) => feature);
  for (const bit of offered(constant)) {
    expect(promised).toContainEqual(expect.stringMatching(new RegExp(`\`${bit}\``)));
  }
});
