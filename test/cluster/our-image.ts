// SPDX-License-Identifier: Apache-2.0
//
// The container image of this checkout for the stories' pods: the bundled command line and the pinned Node.

import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { projectRoot } from '../../scripts/main.ts';
import { copyInto, copyLibrariesOf, importImage } from './import-image.ts';

export const ourImage = 'usvhost.test/usvhost:1';

/** Builds the image and gives it to the node's runtime. The native part is built by now. */
export async function importOurImage(): Promise<void> {
  await run([process.execPath, join(projectRoot, 'scripts/bundle.ts')]);
  await importImage(ourImage, async (root) => {
    copyInto(root, process.execPath, '/bin/node');
    for (const program of [process.execPath, join(projectRoot, 'build/native/usvhost.node')])
      await copyLibrariesOf(program, root);
    cpSync(join(projectRoot, 'build/bundle'), join(root, 'usvhost'), { recursive: true });
    symlinkSync('/usvhost/usvhost', join(root, 'bin/usvhost'));
  });
}
