// SPDX-License-Identifier: Apache-2.0
//
// The container image of this checkout for the stories' pods: the bundled command line, the pinned Node with the
// libraries it is linked against, and busybox for the rest.

import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { projectRoot } from '../../scripts/main.ts';
import { inside } from './cluster.ts';
import { writeBusybox, writeImage } from './images.ts';
import { containerdSocket } from './names.ts';

export const ourImage = 'usvhost.test/usvhost:1';

/** Builds the image and gives it to the node's runtime. The native part is built by now. */
export async function importOurImage(): Promise<void> {
  await run([process.execPath, join(projectRoot, 'scripts/bundle.ts')]);
  const place = mkdtempSync(join(tmpdir(), 'usvhost-image-'));
  try {
    const root = join(place, 'root');
    mkdirSync(root);
    writeBusybox(root);
    copy(process.execPath, root, '/bin/node');
    for (const program of [process.execPath, join(projectRoot, 'build/native/usvhost.node')])
      for (const library of await librariesOf(program)) copy(library, root, library);
    cpSync(join(projectRoot, 'build/bundle'), join(root, 'usvhost'), { recursive: true });
    symlinkSync('/usvhost/usvhost', join(root, 'bin/usvhost'));
    writeImage({ name: ourImage, root }, join(place, 'image.tar'));
    const ctr = ['ctr', '--address', containerdSocket, '-n', 'k8s.io', 'images', 'import', '--local'];
    await run(inside([...ctr, join(place, 'image.tar')]));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function copy(file: string, root: string, name: string): void {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  copyFileSync(file, join(root, name));
}

/** Files that the dynamic linker would load, by their paths on this machine. */
async function librariesOf(program: string): Promise<string[]> {
  const output = await run(['ldd', program]);
  return output.split('\n').flatMap((line) => /(?:=> |^\s+)(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}
