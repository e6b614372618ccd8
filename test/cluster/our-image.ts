// SPDX-License-Identifier: Apache-2.0
//
// The container image of this checkout for the stories' pods: the files and the environment of `npm run image`, and busybox
// for what stories ask from within.

import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { imageConfig } from '../../scripts/image/config.ts';
import { fillLayers } from '../../scripts/image/root.ts';
import { importImage } from './import-image.ts';

export const ourImage = 'usvhost.test/usvhost:1';

/** Builds the image and gives it to the node's runtime. Whoever runs the stories has built the bundle. */
export async function importOurImage(): Promise<void> {
  const fill = async (root: string): Promise<void> => {
    const { directories } = await fillLayers(join(dirname(root), 'layers'));
    for (const each of directories) cpSync(each, root, { recursive: true, verbatimSymlinks: true });
  };
  await importImage(ourImage, fill, { env: imageConfig.env });
}
