// SPDX-License-Identifier: Apache-2.0
//
// The files of the image, in three layers by how often they change: libraries, Node, and what is ours. Nothing else is in
// it: no shell, no package manager, no npm. build/bundle is there by now.

import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../main.ts';
import { describePeers, findProgram } from '../packages.ts';
import { copyInto, copyLibrariesOf } from './libraries.ts';
import { type Owner, ownerOf } from './owner.ts';

export interface Library {
  readonly file: string;
  readonly owner: Owner | undefined;
}

export interface Layers {
  /** One directory a layer, lowest first. */
  readonly directories: readonly string[];
  readonly libraries: readonly Library[];
}

const accounts = {
  passwd: [
    'root:x:0:0:root:/:/sbin/nologin',
    'nobody:x:65534:65534:nobody:/:/sbin/nologin',
    'usvhost:x:65532:65532:usvhost:/:/sbin/nologin',
  ],
  group: ['root:x:0:', 'nogroup:x:65534:', 'usvhost:x:65532:'],
  // The C library's own order asks services that are not here.
  'nsswitch.conf': ['passwd: files', 'group: files', 'hosts: files dns'],
};

/** Fills `place`, an empty directory. @throws UsvhostError USV_IO, USV_PEER_MISSING */
export async function fillLayers(place: string): Promise<Layers> {
  const directories = ['libraries', 'node', 'usvhost'].map((name) => join(place, name));
  const [base = '', node = '', ours = ''] = directories;
  for (const directory of directories) mkdirSync(directory, { recursive: true });
  const libraries = await fillBase(base);
  const strip = findProgram('strip');
  if (strip === undefined) throw usvFailure('USV_PEER_MISSING', describePeers(['strip']));
  fillNode(node);
  fillOurs(ours);
  // What only a debugger reads is a fifth of Node; the symbols that programs link against stay.
  for (const file of [join(node, 'bin/node'), join(ours, 'usvhost/build/native/usvhost.node')])
    execFileSync(strip, ['--strip-all', file]);
  // Whoever builds with whatever umask: files that all may read and nobody but root writes.
  for (const directory of directories) execFileSync('chmod', ['-R', 'u=rwX,go=rX', directory]);
  return { directories, libraries };
}

async function fillBase(root: string): Promise<Library[]> {
  mkdirSync(join(root, 'etc'));
  for (const [name, lines] of Object.entries(accounts))
    writeFileSync(join(root, 'etc', name), lines.map((line) => `${line}\n`).join(''));
  const libraries: Library[] = [];
  for (const program of [process.execPath, join(projectRoot, 'build/native/usvhost.node')])
    for (const file of await copyLibrariesOf(program, root)) {
      const owner = await ownerOf(file);
      if (owner?.notice !== undefined) copyInto(root, owner.notice);
      libraries.push({ file, owner });
    }
  return libraries;
}

function fillNode(root: string): void {
  copyInto(root, process.execPath, '/bin/node');
  copyInto(root, join(dirname(process.execPath), '../LICENSE'), '/usr/share/doc/node/LICENSE');
}

function fillOurs(root: string): void {
  const bundle = join(projectRoot, 'build/bundle');
  for (const part of ['cli', 'build'])
    cpSync(join(bundle, part), join(root, 'usvhost', part), { recursive: true });
  copyInto(root, join(projectRoot, 'LICENSE'), '/usr/share/doc/usvhost/LICENSE');
  // Tells Node at once how to read the bundle, instead of after a first try.
  writeFileSync(join(root, 'usvhost/package.json'), '{"type":"module"}\n');
  const program = join(root, 'usvhost/cli/usvhost.js');
  writeFileSync(program, `#!/bin/node\n${readFileSync(program, 'utf8')}`);
  chmodSync(program, 0o755);
  mkdirSync(join(root, 'bin'));
  symlinkSync('../usvhost/cli/usvhost.js', join(root, 'bin/usvhost'));
}
