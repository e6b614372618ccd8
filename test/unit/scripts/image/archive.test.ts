// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { writeImage } from '../../../../scripts/image/archive.ts';
import { readLayout } from '../../../support/oci-layout.ts';
import { type PrivateDirectory, privateDirectory } from '../../../support/private-directory.ts';

let place: PrivateDirectory;
beforeEach(() => {
  place = privateDirectory();
});
afterEach(() => place.remove());

/** A directory with files, made in this order. */
function rootOf(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(place.path, name);
  mkdirSync(join(root, 'etc'), { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(root, 'etc', file), text);
  return root;
}

test('digests lead from the index to the files, layer by layer', () => {
  const layers = [rootOf('low', { greeting: 'hello' }), rootOf('high', { answer: 'hello too' })];
  const archive = join(place.path, 'image.tar');
  const name = 'usvhost.test/greeting:1';
  const env = { PATH: '/bin', LANG: 'C' };
  const digest = writeImage(
    { name, layers, entrypoint: ['/greet'], user: '1:1', env, labels: { a: 'b' }, created: 1 },
    archive,
  );

  const unpacked = join(place.path, 'layout');
  mkdirSync(unpacked);
  const layout = readLayout(archive, unpacked);
  expect(layout.manifest).toMatchObject({
    digest,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': '1' },
  });
  expect(layout.config).toMatchObject({
    created: '1970-01-01T00:00:01.000Z',
    config: { Entrypoint: ['/greet'], User: '1:1', Env: ['PATH=/bin', 'LANG=C'], Labels: { a: 'b' } },
    rootfs: { diff_ids: layout.layers.map((layer) => layer.digest) },
  });
  const types = layout.layers.map(({ mediaType }) => mediaType);
  expect(types).toEqual(Array(2).fill('application/vnd.oci.image.layer.v1.tar'));
  const [low, high] = layout.layers.map((layer) => layout.content(layer));
  const read = (input: Buffer | undefined, file: string): string =>
    execFileSync('tar', ['-xO', `./etc/${file}`], { input }).toString();
  expect([read(low, 'greeting'), read(high, 'answer')]).toEqual(['hello', 'hello too']);
});

test('neither the age of a file nor the order in which it was made shows', () => {
  const first = rootOf('first', { a: 'a', b: 'b' });
  const second = rootOf('second', { b: 'b', a: 'a' });
  utimesSync(join(second, 'etc/a'), 1, 1);
  const [one = '', two = '', three = ''] = ['one', 'two', 'three'].map((name) => join(place.path, name));
  const name = 'usvhost.test/same:1';
  writeImage({ name, layers: [first] }, one);
  writeImage({ name, layers: [second] }, two);
  expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
  chmodSync(join(second, 'etc/a'), 0o600);
  writeImage({ name, layers: [second] }, three);
  expect(readFileSync(one).equals(readFileSync(three))).toBe(false);
});
