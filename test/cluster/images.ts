// SPDX-License-Identifier: Apache-2.0
//
// Container images without a registry: one layer, as a tar archive of an OCI image layout (image-spec 1.1), which
// `ctr images import` reads.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../scripts/packages.ts';

export const busyboxImage = 'usvhost.test/busybox:1';
/** Holds the namespaces of a pod. */
export const pauseImage = 'usvhost.test/pause:1';

export interface Image {
  /** With a tag that is not `latest`: the kubelet would ask a registry for that. */
  readonly name: string;
  /** Directory that becomes the image's files. */
  readonly root: string;
  readonly entrypoint?: readonly string[];
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** Writes `image` as the archive `file`. */
export function writeImage(image: Image, file: string): void {
  const layout = mkdtempSync(join(tmpdir(), 'usvhost-image-'));
  const put = (content: Buffer): Blob => {
    const hash = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(layout, 'blobs/sha256', hash), content);
    return { digest: `sha256:${hash}`, size: content.length };
  };
  const putDocument = (document: object): Blob => put(Buffer.from(JSON.stringify(document)));
  try {
    mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
    const layerFile = join(layout, 'layer.tar');
    execFileSync('tar', [
      '-C',
      image.root,
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '-cf',
      layerFile,
      '.',
    ]);
    const layer = put(readFileSync(layerFile));
    const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const config = putDocument({
      architecture,
      os: 'linux',
      config: { Env: ['PATH=/bin'], Entrypoint: image.entrypoint ?? [], WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const manifest = putDocument({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    });
    const index = {
      schemaVersion: 2,
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          ...manifest,
          platform: { os: 'linux', architecture },
          annotations: { 'io.containerd.image.name': image.name },
        },
      ],
    };
    writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
    writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    execFileSync('tar', ['-C', layout, '-cf', file, 'oci-layout', 'index.json', 'blobs']);
  } finally {
    rmSync(layout, { recursive: true, force: true });
  }
}

/** The two images of every cluster, from the machine's static busybox, as archives in `directory`. */
export function buildImages(directory: string): void {
  const root = mkdtempSync(join(tmpdir(), 'usvhost-busybox-'));
  try {
    writeBusybox(root);
    mkdirSync(directory, { recursive: true });
    writeImage({ name: busyboxImage, root }, join(directory, 'busybox.tar'));
    const pause = { name: pauseImage, root, entrypoint: ['/bin/sleep', '2147483647'] };
    writeImage(pause, join(directory, 'pause.tar'));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A root directory whose every program is busybox. */
export function writeBusybox(root: string): void {
  const busybox = findProgram('busybox') ?? 'busybox';
  for (const directory of ['bin', 'etc', 'proc', 'sys', 'dev', 'run', 'tmp', 'var'])
    mkdirSync(join(root, directory), { recursive: true });
  symlinkSync('/run', join(root, 'var/run'));
  cpSync(busybox, join(root, 'bin/busybox'), { dereference: true });
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
}
