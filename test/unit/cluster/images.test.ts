// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeImage } from '../../cluster/images.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';

let place: PrivateDirectory;
beforeEach(() => {
  place = privateDirectory();
});
afterEach(() => place.remove());

test('an image is one layer whose digests lead from the index to the files', () => {
  const root = join(place.path, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/greeting'), 'hello');
  const archive = join(place.path, 'image.tar');
  writeImage({ name: 'usvhost.test/greeting:1', root, entrypoint: ['/greet'] }, archive);

  execFileSync('tar', ['-C', place.path, '-xf', archive]);
  const blob = ({ digest, size }: { digest: string; size: number }): Buffer => {
    const content = readFileSync(join(place.path, 'blobs', ...digest.split(':')));
    expect(content).toHaveLength(size);
    expect(`sha256:${createHash('sha256').update(content).digest('hex')}`).toBe(digest);
    return content;
  };
  const index = JSON.parse(readFileSync(join(place.path, 'index.json'), 'utf8'));
  expect(index.manifests[0].annotations['io.containerd.image.name']).toBe('usvhost.test/greeting:1');
  const manifest = JSON.parse(blob(index.manifests[0]).toString());
  const config = JSON.parse(blob(manifest.config).toString());
  expect(config.config.Entrypoint).toEqual(['/greet']);
  expect(config.rootfs.diff_ids).toEqual([manifest.layers[0].digest]);
  const layer = execFileSync('tar', ['-xO', './etc/greeting'], { input: blob(manifest.layers[0]) });
  expect(layer.toString()).toBe('hello');
});
