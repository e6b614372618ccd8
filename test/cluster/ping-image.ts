// SPDX-License-Identifier: Apache-2.0
//
// A container image with this machine's `ping`, which needs no right to raw sockets, as busybox's does.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import { copyInto, copyLibrariesOf } from '../../scripts/image/libraries.ts';
import { findProgram } from '../../scripts/packages.ts';
import { importImage } from './import-image.ts';

export const pingImage = 'usvhost.test/ping:1';

/** Debian's iputils-ping is there. */
export async function importPingImage(): Promise<void> {
  const ping = findProgram('ping');
  if (ping === undefined) throw usvFailure('USV_PEER_MISSING', 'ping');
  await importImage(pingImage, async (root) => {
    rmSync(join(root, 'bin/ping'));
    copyInto(root, ping, '/bin/ping');
    await copyLibrariesOf(ping, root);
  });
}
