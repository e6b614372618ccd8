// SPDX-License-Identifier: Apache-2.0
//
// Changes are seen in a directory that exists, comes, goes, and comes again.

import { EventEmitter, once } from 'node:events';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type DirectoryWatch, watchDirectory } from '../../../lib/directory-watch.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let directory = '';
let watch: DirectoryWatch | undefined;
let changes = new EventEmitter();

beforeEach(() => {
  directory = join(newRoot(), 'var', 'lib', 'd');
  changes = new EventEmitter();
});

afterEach(() => watch?.close());

function start(): void {
  watch = watchDirectory(
    directory,
    () => changes.emit('change'),
    (error) => changes.emit('error', error),
  );
}

/** Does something and waits for a change to be told. */
async function seen(action: () => void): Promise<void> {
  const change = once(changes, 'change', { signal: AbortSignal.timeout(2000) });
  action();
  await change;
  // Let the events of the same action pass.
  await new Promise((resolve) => setTimeout(resolve, 20));
}

test('a file that comes and goes', async () => {
  mkdirSync(directory, { recursive: true });
  start();
  await seen(() => writeFileSync(join(directory, 'f'), ''));
  await seen(() => rmSync(join(directory, 'f')));
});

test('a directory that comes step by step, is removed, and comes again', async () => {
  start();
  for (let round = 0; round < 2; round++) {
    await seen(() => mkdirSync(directory, { recursive: true }));
    await seen(() => writeFileSync(join(directory, 'f'), ''));
    await seen(() => rmSync(join(directory, '..'), { recursive: true }));
  }
});

test('a directory that is replaced by another', async () => {
  mkdirSync(directory, { recursive: true });
  mkdirSync(`${directory}.new`);
  start();
  await seen(() => renameSync(directory, `${directory}.old`));
  await seen(() => renameSync(`${directory}.new`, directory));
  await seen(() => writeFileSync(join(directory, 'f'), ''));
});

test('nothing is told after close', async () => {
  mkdirSync(directory, { recursive: true });
  start();
  let told = 0;
  changes.on('change', () => {
    told += 1;
  });
  watch?.close();
  writeFileSync(join(directory, 'f'), '');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(told).toBe(0);
});
