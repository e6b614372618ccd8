// SPDX-License-Identifier: Apache-2.0
//
// What proves that a network namespace is gone, and what does not.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { isNamespaceGone } from '../../../agent/namespaces.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
/** No process has it: the kernel's largest is 4194304. */
const nobody = '/proc/9999999/ns/net';
let directory: string;
let living: string;

beforeEach(() => {
  directory = newRoot();
  living = join(directory, 'cni-1');
  writeFileSync(living, '');
});

test('one that is not there beside one that is', () => {
  expect(isNamespaceGone(join(directory, 'cni-2'), living)).toBe(true);
});

test('one of an earlier boot', () => {
  expect(isNamespaceGone('', '/nowhere/cni-1')).toBe(true);
});

test('not one that is there', () => {
  writeFileSync(join(directory, 'cni-2'), '');
  expect(isNamespaceGone(join(directory, 'cni-2'), living)).toBe(false);
});

test('not in a directory that cannot be seen, or of which nothing is known', () => {
  expect(isNamespaceGone('/nowhere/cni-2', '/nowhere/cni-1')).toBe(false);
  mkdirSync(join(directory, 'other'));
  expect(isNamespaceGone(join(directory, 'other/cni-2'), living)).toBe(false);
  expect(isNamespaceGone(nobody, living)).toBe(false);
});

test('not by a process number that is a neighbour of our own', () => {
  expect(isNamespaceGone(nobody, `/proc/${process.pid}/ns/net`)).toBe(false);
});
