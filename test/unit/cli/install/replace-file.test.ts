// SPDX-License-Identifier: Apache-2.0
//
// A file is the old one or the new one, at any moment and after a kill.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { removeFile, replaceFile } from '../../../../cli/install/replace-file.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const source = fileURLToPath(new URL('../../../../cli/install/replace-file.ts', import.meta.url));

test('content and mode, whatever the umask', () => {
  const path = join(newRoot(), 'file');
  const before = process.umask(0o077);
  try {
    replaceFile(path, 'new', { mode: 0o755 });
  } finally {
    process.umask(before);
  }
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o7777]).toEqual(['new', 0o755]);
  expect(readdirSync(join(path, '..'))).toEqual(['file']);
});

test('a link at the place is replaced, not followed', () => {
  const root = newRoot();
  writeFileSync(join(root, 'other'), 'kept');
  symlinkSync('other', join(root, 'file'));
  replaceFile(join(root, 'file'), 'new', { mode: 0o644 });
  expect(lstatSync(join(root, 'file')).isFile()).toBe(true);
  expect(readFileSync(join(root, 'other'), 'utf8')).toBe('kept');
});

test('what a killed run has left goes with the next', () => {
  const root = newRoot();
  writeFileSync(join(root, '.usvhost-0123456789ab.tmp'), 'half');
  writeFileSync(join(root, '.usvhost-mine.tmp'), 'not ours');
  replaceFile(join(root, 'file'), 'new', { mode: 0o644 });
  expect(readdirSync(root).toSorted()).toEqual(['.usvhost-mine.tmp', 'file']);
  removeFile(join(root, 'file'));
  expect(readdirSync(root)).toEqual(['.usvhost-mine.tmp']);
});

test('a refused rename leaves the old and no temporary', () => {
  const root = newRoot();
  mkdirSync(join(root, 'file'));
  expect(() => replaceFile(join(root, 'file'), 'new', { mode: 0o644 })).toThrow(
    expect.objectContaining({ code: 'USV_IO' }),
  );
  expect(readdirSync(root)).toEqual(['file']);
  chmodSync(root, 0o755);
});

test('a kill in the midst of it leaves one of the two', async () => {
  const root = newRoot();
  const path = join(root, 'file');
  const texts = ['a', 'b'].map((letter) => letter.repeat(300_000));
  const loop = `import { replaceFile } from ${JSON.stringify(source)};
    for (let i = 0; ; i++) {
      replaceFile(${JSON.stringify(path)}, 'ab'[i % 2].repeat(300_000), { mode: 0o644 });
      process.stdout.write('done\\n');
    }`;
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', loop], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    for (let seen = 0; seen <= round; seen++) await once(lines, 'line');
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(texts).toContain(readFileSync(path, 'utf8'));
  }
  replaceFile(path, 'last', { mode: 0o644 });
  expect(readdirSync(root)).toEqual(['file']);
}, 60_000);
