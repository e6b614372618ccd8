// SPDX-License-Identifier: Apache-2.0
//
// An image of programs of this machine for the stories' pods: busybox, the programs, and the libraries they are linked
// against.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { inside } from './cluster.ts';
import { writeBusybox, writeImage } from './images.ts';
import { containerdSocket } from './names.ts';

/** Makes the image, whose root directory `fill` completes, and gives it to the node's runtime. */
export async function importImage(name: string, fill: (root: string) => Promise<void>): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'usvhost-image-'));
  try {
    const root = join(place, 'root');
    mkdirSync(root);
    writeBusybox(root);
    // For programs that run as an ordinary user.
    chmodSync(join(root, 'tmp'), 0o1777);
    await fill(root);
    writeImage({ name, root }, join(place, 'image.tar'));
    await importArchive(join(place, 'image.tar'));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export async function importArchive(file: string): Promise<void> {
  const ctr = ['ctr', '--address', containerdSocket, '-n', 'k8s.io', 'images', 'import', '--local'];
  await run(inside([...ctr, file]));
}

export function copyInto(root: string, file: string, name: string = file): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  copyFileSync(file, join(root, name));
}

/** Copies the files that the dynamic linker would load for a program or library, to the same paths; links stay links. */
export async function copyLibrariesOf(program: string, root: string): Promise<void> {
  const output = await run(['ldd', program]);
  for (const line of output.split('\n')) {
    const [, library] = /(?:=> |^\s+)(\/\S+) \(0x/.exec(line) ?? [];
    if (library === undefined || existsSync(join(root, library))) continue;
    const file = realpathSync(library);
    copyInto(root, file);
    if (file === library) continue;
    mkdirSync(dirname(join(root, library)), { recursive: true });
    symlinkSync(file, join(root, library));
  }
}
