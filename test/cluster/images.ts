// SPDX-License-Identifier: Apache-2.0
//
// The images of every cluster, made of the machine's static busybox.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeImage } from '../../scripts/image/archive.ts';
import { findProgram } from '../../scripts/packages.ts';

export const busyboxImage = 'usvhost.test/busybox:1';
/** Holds the namespaces of a pod. */
export const pauseImage = 'usvhost.test/pause:1';

/** The two images of every cluster, from the machine's static busybox, as archives in `directory`. */
export function buildImages(directory: string): void {
  const root = mkdtempSync(join(tmpdir(), 'usvhost-busybox-'));
  try {
    writeBusybox(root);
    mkdirSync(directory, { recursive: true });
    writeImage({ name: busyboxImage, layers: [root] }, join(directory, 'busybox.tar'));
    const pause = { name: pauseImage, layers: [root], entrypoint: ['/bin/sleep', '2147483647'] };
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
