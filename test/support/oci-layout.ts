// SPDX-License-Identifier: Apache-2.0
//
// Reads the archive of an image as a runtime does, and looks at what a runtime looks at: each blob has the digest and the size
// by which it is named.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

interface Config {
  readonly created: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly diff_ids: readonly string[] };
}

export interface Layout {
  readonly manifest: Descriptor & { readonly annotations: Readonly<Record<string, string>> };
  readonly config: Config;
  readonly layers: readonly Descriptor[];
  content(blob: Descriptor): Buffer;
  /** Lays the layers over one another in a new directory. */
  unpack(root: string): void;
}

/** Unpacks the archive into an empty directory and follows every reference. */
export function readLayout(archive: string, place: string): Layout {
  execFileSync('tar', ['-C', place, '-xf', archive]);
  const content = ({ digest, size }: Descriptor): Buffer => {
    const bytes = readFileSync(join(place, 'blobs', ...digest.split(':')));
    expect(bytes).toHaveLength(size);
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest);
    return bytes;
  };
  const parse = (bytes: Buffer) => JSON.parse(bytes.toString());
  expect(parse(readFileSync(join(place, 'oci-layout')))).toEqual({ imageLayoutVersion: '1.0.0' });
  const index = parse(readFileSync(join(place, 'index.json')));
  expect(index.manifests).toHaveLength(1);
  const [manifest] = index.manifests;
  const { config, layers, schemaVersion, mediaType } = parse(content(manifest));
  expect({ schemaVersion, mediaType }).toEqual({ schemaVersion: 2, mediaType: manifest.mediaType });
  const named = [manifest, config, ...layers].map(({ digest }: Descriptor) => digest.replace('sha256:', ''));
  expect(readdirSync(join(place, 'blobs/sha256')).toSorted()).toEqual(named.toSorted());
  for (const layer of layers) content(layer);
  return {
    manifest,
    config: parse(content(config)),
    layers,
    content,
    unpack: (root) => {
      mkdirSync(root);
      for (const layer of layers)
        execFileSync('tar', ['-C', root, '-x', '-f', join(place, 'blobs', ...layer.digest.split(':'))]);
    },
  };
}
