// SPDX-License-Identifier: Apache-2.0
//
// Programs of this machine in a root directory of their own: the files, and the libraries that they are linked against.

import { copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import { run } from '../main.ts';

export function copyInto(root: string, file: string, name: string = file): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  copyFileSync(file, join(root, name));
}

/**
 * Copies the files that the dynamic linker would load for a program or library, to the same paths; links stay links.
 * Returns the files that it copied. @throws UsvhostError USV_IO when ldd cannot read the program
 */
export async function copyLibrariesOf(program: string, root: string): Promise<string[]> {
  const { code, output } = await run('ldd', [program]);
  if (code !== 0) throw usvFailure('USV_IO', `ldd ${program}: ${output}`);
  const copied: string[] = [];
  for (const line of output.split('\n')) {
    const [, library] = /(?:=> |^\s+)(\/\S+) \(0x/.exec(line) ?? [];
    if (library === undefined || existsSync(join(root, library))) continue;
    const file = realpathSync(library);
    copyInto(root, file);
    copied.push(file);
    if (file === library) continue;
    mkdirSync(dirname(join(root, library)), { recursive: true });
    symlinkSync(file, join(root, library));
  }
  return copied;
}
