// SPDX-License-Identifier: Apache-2.0
//
// docs/security.md says which test proves what: each of them exists, under the name that stands there, and so does every file.

import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const top = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(top, 'docs/security.md'), 'utf8').replaceAll(/\n(?!\n|[|#-])/g, ' ');

/** Path of a test file with the names that follow it. */
const tests = [...page.matchAll(/`((?:native\/)?test\/[^`]+)`((?: ?(?:,|and)? ?\*[^*]+\*)+)/g)].flatMap(
  ([, file = '', names = '']) =>
    [...names.matchAll(/\*([^*]+)\*/g)].map(([, name = '']) => [file, name] as const),
);

/** `a/b.ts`, and `c.ts` of the same folder after it. */
function filesOf(cell: string): string[] {
  let folder = '.';
  return [...cell.matchAll(/`([^`]+\.(?:ts|cc|h))`/g)].map(([, path = '']) => {
    if (dirname(path) !== '.') folder = dirname(path);
    return join(folder, basename(path));
  });
}

const files = page
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .flatMap((line) => line.split('|').flatMap(filesOf));

test('there are tests and files to look for', () => {
  expect(tests.length).toBeGreaterThan(50);
  expect(files.length).toBeGreaterThan(80);
});

test.each(tests)('%s has %s', (file, name) => {
  const source = readFileSync(join(top, file), 'utf8').replaceAll("\\'", "'");
  expect(source.includes(name)).toBe(true);
});

test.each([...new Set(files)])('%s is there', (file) => {
  expect(existsSync(join(top, file))).toBe(true);
});
