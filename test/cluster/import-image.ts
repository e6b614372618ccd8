// SPDX-License-Identifier: Apache-2.0
//
// An image for the stories' pods: busybox, and what a story adds.

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { type ImageConfig, writeImage } from '../../scripts/image/archive.ts';
import { inside } from './cluster.ts';
import { writeBusybox } from './images.ts';
import { containerdSocket } from './names.ts';

/** Makes the image, whose root directory `fill` completes, and gives it to the node's runtime. */
export async function importImage(
  name: string,
  fill: (root: string) => Promise<void>,
  config: ImageConfig = {},
): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'usvhost-image-'));
  try {
    const root = join(place, 'root');
    mkdirSync(root);
    writeBusybox(root);
    // For programs that run as an ordinary user.
    chmodSync(join(root, 'tmp'), 0o1777);
    await fill(root);
    writeImage({ ...config, name, layers: [root] }, join(place, 'image.tar'));
    await importArchive(join(place, 'image.tar'));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export async function importArchive(file: string): Promise<void> {
  const ctr = ['ctr', '--address', containerdSocket, '-n', 'k8s.io', 'images', 'import', '--local'];
  await run(inside([...ctr, file]));
}
