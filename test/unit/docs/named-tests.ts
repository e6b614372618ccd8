// SPDX-License-Identifier: Apache-2.0
//
// Pages that say which test holds what: `path` *name*, *another name of the same file*.

import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const top = fileURLToPath(new URL('../../..', import.meta.url));

/** A page of docs/, each paragraph and row of a table in one line. */
function pageOf(name: string): string {
  return readFileSync(join(top, 'docs', name), 'utf8').replaceAll(/\n(?!\n|[|#-])/g, ' ');
}

/** Pairs of a test file and the name of a test in it. */
export function testsOf(name: string): [file: string, test: string][] {
  const named = /`((?:native\/)?test\/[^`]+)`((?: ?(?:,|and)? ?\*[^*]+\*)+)/g;
  return [...pageOf(name).matchAll(named)].flatMap(([, file = '', names = '']) =>
    [...names.matchAll(/\*([^*]+)\*/g)].map(([, test = '']): [string, string] => [file, test]),
  );
}

/** `a/b.ts`, and `c.ts` of the same folder after it. */
function inCell(cell: string): string[] {
  let folder = '.';
  return [...cell.matchAll(/`([^`]+\.(?:ts|cc|h))`/g)].map(([, path = '']) => {
    if (dirname(path) !== '.') folder = dirname(path);
    return join(folder, basename(path));
  });
}

/** Source files that the page's tables name. */
export function filesOf(name: string): string[] {
  const rows = pageOf(name)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return [...new Set(rows.flatMap((line) => line.split('|').flatMap(inCell)))];
}

/** Whether the file has a test of that name. */
export function hasTest(file: string, name: string): boolean {
  return readFileSync(join(top, file), 'utf8').replaceAll("\\'", "'").includes(name);
}
