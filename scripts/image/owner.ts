// SPDX-License-Identifier: Apache-2.0
//
// Which package of the build machine a library comes from, for the list of parts and for the notice that its license asks for.

import { existsSync } from 'node:fs';
import { run } from '../main.ts';
import { findProgram } from '../packages.ts';

export interface Owner {
  readonly name: string;
  readonly version: string;
  /** File with its license. */
  readonly notice?: string;
}

/** The Debian package of a file; undefined where nobody knows. */
export async function ownerOf(file: string): Promise<Owner | undefined> {
  if (findProgram('dpkg-query') === undefined) return undefined;
  // Packages name a file by the path from before /lib became a link, or by the one of today.
  for (const path of [file, file.replace(/^\/usr/, '')]) {
    const search = await run('dpkg-query', ['--search', path]);
    if (search.code !== 0) continue;
    const name = search.output.split(':')[0] ?? '';
    const show = await run('dpkg-query', ['--show', '--showformat=${Version}\\n', name]);
    const notice = `/usr/share/doc/${name}/copyright`;
    const version = show.output.split('\n')[0] ?? '';
    return { name, version, ...(existsSync(notice) ? { notice } : {}) };
  }
  return undefined;
}
