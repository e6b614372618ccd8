// SPDX-License-Identifier: Apache-2.0
//
// This machine's testpmd in container images, with the drivers that a pod needs for its port, and no other.

import { globSync } from 'node:fs';
import { join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import { copyInto, copyLibrariesOf } from '../../scripts/image/libraries.ts';
import { findProgram } from '../../scripts/packages.ts';
import { importImage } from './import-image.ts';

export const dpdkImage = 'usvhost.test/dpdk:1';

const drivers = ['bus_vdev', 'bus_pci', 'mempool_ring', 'net_virtio'];

/** An image of it alone. Debian's dpdk-dev is there. */
export async function importDpdkImage(): Promise<void> {
  await importImage(dpdkImage, copyTestpmd);
}

/** Into an image's root directory. */
export async function copyTestpmd(root: string): Promise<void> {
  const testpmd = findProgram('dpdk-testpmd');
  // The directory's name has the version of the drivers' interface; testpmd loads all that is in there.
  const [directory] = globSync('/usr/lib/*/dpdk/pmds-*');
  if (testpmd === undefined || directory === undefined) throw usvFailure('USV_PEER_MISSING', 'dpdk-testpmd');
  copyInto(root, testpmd, '/bin/dpdk-testpmd');
  await copyLibrariesOf(testpmd, root);
  for (const driver of drivers) {
    const [file] = globSync(join(directory, `librte_${driver}.so.*.*`));
    if (file === undefined) throw usvFailure('USV_PEER_MISSING', `DPDK's driver ${driver}`);
    copyInto(root, file);
    await copyLibrariesOf(file, root);
  }
}
