// SPDX-License-Identifier: Apache-2.0
//
// A container image without a registry or a daemon: a tar archive of an OCI image layout (image-spec 1.1), which
// `ctr images import` reads. The same files give the same bytes: entries are sorted, owned by root and as old as the image.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  /** `uid:gid`. Default: root. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Image extends ImageConfig {
  /** With a tag that is not `latest`: the kubelet would ask a registry for that. */
  readonly name: string;
  /** Directories that become the image's files, one layer each, lowest first. */
  readonly layers: readonly string[];
  /** Age of every file and of the image, in seconds of Unix time. Default: 0. */
  readonly created?: number;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

const mediaType = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};

/** The platform's name of this machine in an image. */
export const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** Packs a directory, or entries of it, whatever order and owner they have here. */
function pack(directory: string, file: string, created: number, entries: readonly string[] = ['.']): void {
  const same = ['--format=gnu', '--sort=name', `--mtime=@${created}`, '--owner=0', '--group=0'];
  execFileSync('tar', ['-C', directory, ...same, '--numeric-owner', '-cf', file, ...entries]);
}

/** Writes `image` as the archive `file`, whole or not at all, and returns the digest of its manifest. */
export function writeImage(image: Image, file: string): string {
  const {
    name,
    layers,
    created = 0,
    entrypoint = [],
    user = '',
    env = { PATH: '/bin' },
    labels = {},
  } = image;
  const layout = mkdtempSync(join(dirname(file), '.layout-'));
  const put = (content: Buffer): Blob => {
    const hash = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(layout, 'blobs/sha256', hash), content);
    return { digest: `sha256:${hash}`, size: content.length };
  };
  const putDocument = (document: object): Blob => put(Buffer.from(JSON.stringify(document)));
  const putLayer = (directory: string): Blob => {
    const layerFile = join(layout, 'layer.tar');
    pack(directory, layerFile, created);
    return put(readFileSync(layerFile));
  };
  try {
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    const blobs = layers.map(putLayer);
    const config = putDocument({
      created: new Date(created * 1000).toISOString(),
      architecture,
      os: 'linux',
      config: {
        User: user,
        Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
        Entrypoint: entrypoint,
        WorkingDir: '/',
        Labels: labels,
      },
      rootfs: { type: 'layers', diff_ids: blobs.map(({ digest }) => digest) },
    });
    const manifest = putDocument({
      schemaVersion: 2,
      mediaType: mediaType.manifest,
      config: { mediaType: mediaType.config, ...config },
      layers: blobs.map((blob) => ({ mediaType: mediaType.layer, ...blob })),
    });
    const index = {
      schemaVersion: 2,
      mediaType: mediaType.index,
      manifests: [
        {
          mediaType: mediaType.manifest,
          ...manifest,
          platform: { os: 'linux', architecture },
          annotations: {
            'io.containerd.image.name': name,
            'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
          },
        },
      ],
    };
    writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
    writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    // A umask must not show in the archive either.
    execFileSync('chmod', ['-R', 'u=rwX,go=rX', layout]);
    const archive = join(layout, 'archive.tar');
    pack(layout, archive, created, ['oci-layout', 'index.json', 'blobs']);
    renameSync(archive, file);
    return manifest.digest;
  } finally {
    rmSync(layout, { recursive: true, force: true });
  }
}
