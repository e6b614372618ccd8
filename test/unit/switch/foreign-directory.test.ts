// SPDX-License-Identifier: Apache-2.0
//
// Whatever a pod may make of its directory, it can be emptied, and nothing outside is touched.

import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { emptyForeignDirectory } from '../../../switch/foreign-directory.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let root = '';
let directory = '';

beforeEach(() => {
  root = newRoot();
  directory = join(root, 'port');
  mkdirSync(directory);
  mkdirSync(join(root, 'precious'));
  writeFileSync(join(root, 'precious/file'), 'x');
});

test('links to files and directories go, what they lead to stays', () => {
  symlinkSync('../precious', join(directory, 'link'));
  symlinkSync('../precious/file', join(directory, 'vhost.sock'));
  symlinkSync('/', join(directory, 'root'));
  mkdirSync(join(directory, 'sub'));
  symlinkSync('../../precious', join(directory, 'sub/link'));
  linkSync(join(root, 'precious/file'), join(directory, 'hard'));
  emptyForeignDirectory(directory);
  expect(readdirSync(directory)).toEqual([]);
  expect(readFileSync(join(root, 'precious/file'), 'utf8')).toBe('x');
});

test('directories below directories, deeper than a path can name', () => {
  // Made from the inside out, as a pod would: by moving what is there into a new one.
  const name = 'd'.repeat(200);
  const [inner, outer] = [join(directory, name), join(directory, 'outer')];
  mkdirSync(inner);
  for (let level = 0; level < 30; level++) {
    mkdirSync(outer);
    writeFileSync(join(outer, 'file'), '');
    renameSync(inner, join(outer, name));
    renameSync(outer, inner);
  }
  emptyForeignDirectory(directory);
  expect(readdirSync(directory)).toEqual([]);
});

test('names that are no UTF-8, and names that it uses itself', () => {
  writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0xfe, 0x0a])]), '');
  for (let n = 0; n < 20; n++) mkdirSync(join(directory, `.lifted-${n}/below/it`), { recursive: true });
  emptyForeignDirectory(directory);
  expect(readdirSync(directory)).toEqual([]);
});

test('more entries than one call removes are left for the next', () => {
  for (let n = 0; n < 50; n++) writeFileSync(join(directory, `f${n}`), '');
  emptyForeignDirectory(directory, 40);
  expect(readdirSync(directory)).toHaveLength(10);
  emptyForeignDirectory(directory, 40);
  expect(readdirSync(directory)).toEqual([]);
});

test('a link in place of the directory is not followed', () => {
  symlinkSync('precious', join(root, 'link'));
  expect(() => emptyForeignDirectory(join(root, 'link'))).toThrow(
    expect.objectContaining({ code: 'ENOTDIR' }),
  );
  expect(readdirSync(join(root, 'precious'))).toEqual(['file']);
});
