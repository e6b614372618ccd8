// SPDX-License-Identifier: Apache-2.0
//
// A copy of the tree in which the image can be built, with the native part as it is built here. It lies in the build
// directory, where dependencies can be linked instead of copied.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tree } from '../../e2e/person.ts';

const left = ['.git', 'bench', 'build', 'docs', 'node_modules'];
const native = ['usvhost', 'usvhost.node'].map((name) => join('build/native', name));

/** An empty directory on the file system of the tree; whoever asks removes it. */
export function directoryInBuild(): string {
  mkdirSync(join(tree, 'build/test'), { recursive: true });
  return mkdtempSync(join(tree, 'build/test/image-'));
}

export interface Built {
  readonly archive: string;
  /** As the builder prints it. */
  readonly digest: string;
  /** The list of parts. */
  readonly parts: string;
}

/** Builds the image in a copy of the tree at `directory`, which is made, with this umask. */
export function buildInCopy(directory: string, umask: string): Built {
  mkdirSync(directory, { recursive: true });
  for (const name of [...readdirSync(tree).filter((each) => !left.includes(each)), ...native]) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    cpSync(join(tree, name), join(directory, name), { recursive: true });
  }
  execFileSync('cp', ['-al', join(tree, 'node_modules'), directory]);
  const script = `umask ${umask}; scripts/node scripts/bundle.ts && exec scripts/node scripts/image.ts`;
  const digest = execFileSync('sh', ['-ec', script], {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000', REVISION: 'abc' },
  });
  const archive = join(directory, 'build/image/usvhost.tar');
  return { archive, digest: digest.trim(), parts: readFileSync(archive.replace(/tar$/, 'cdx.json'), 'utf8') };
}
