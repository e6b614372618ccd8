// SPDX-License-Identifier: Apache-2.0
//
// The CNI plugin binary in the directory where a runtime looks for plugins. Only a binary that is ours is ever replaced or
// removed.

import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { usvError, usvFailure } from '../../lib/errors.ts';
import { io, removeFile, replaceFile } from './replace-file.ts';

export type ShimAction = 'installed' | 'updated' | 'unchanged' | 'removed' | 'absent' | 'kept' | 'in use';

const mode = 0o755;

/** What every release of the plugin says without CNI_COMMAND (native/shim/main.cc), and how an ELF file begins. */
const marker = 'usvhost is a CNI plugin';
const elfMagic = Buffer.from('\x7fELF', 'latin1');

function isOurs(content: Buffer): boolean {
  return content.subarray(0, elfMagic.length).equals(elfMagic) && content.includes(marker);
}

/** @throws UsvhostError USV_NATIVE_BUILD when the file is not there, USV_CONFIG when it is no plugin of ours */
export function readShim(source: string): Buffer {
  if (lstatSync(source, { throwIfNoEntry: false }) === undefined)
    throw usvFailure('USV_NATIVE_BUILD', `the CNI plugin ${source} is not there`);
  const content = io(`read ${source}`, () => readFileSync(source));
  if (isOurs(content)) return content;
  throw usvError('USV_CONFIG', { what: source, expected: 'the CNI plugin of usvhost', got: 'another file' });
}

/** Content and mode of the file at the place; undefined when there is none. */
function present(path: string): { readonly content: Buffer | undefined; readonly mode: number } | undefined {
  const stat = io(`look at ${path}`, () => lstatSync(path, { throwIfNoEntry: false }));
  if (stat === undefined) return undefined;
  const content = stat.isFile() ? io(`read ${path}`, () => readFileSync(path)) : undefined;
  return { content, mode: stat.mode & 0o7777 };
}

/** @throws UsvhostError USV_CONFIG when something else has the name, USV_IO */
export function installShim(content: Buffer, path: string): ShimAction {
  const there = present(path);
  if (there !== undefined && (there.content === undefined || !isOurs(there.content))) {
    throw usvError('USV_CONFIG', {
      what: path,
      expected: 'no file or an earlier CNI plugin of usvhost; move what is there away',
      got: 'another file',
    });
  }
  if (there?.content?.equals(content) === true && there.mode === mode) return 'unchanged';
  io(`make ${dirname(path)}`, () => mkdirSync(dirname(path), { recursive: true, mode: 0o755 }));
  replaceFile(path, content, { mode });
  return there === undefined ? 'installed' : 'updated';
}

/** `kept`: the file is not ours. @throws UsvhostError USV_IO */
export function uninstallShim(path: string): ShimAction {
  const there = present(path);
  if (there === undefined) return 'absent';
  if (there.content === undefined || !isOurs(there.content)) return 'kept';
  removeFile(path);
  return 'removed';
}
