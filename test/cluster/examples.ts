// SPDX-License-Identifier: Apache-2.0
//
// manifests/examples as their readers use them: each is applied as it stands by the commands of its own heading, with images of
// the same names that are made of this machine's programs.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { usvFailure } from '../../lib/errors.ts';
import { copyInto, copyLibrariesOf } from '../../scripts/image/libraries.ts';
import { projectRoot } from '../../scripts/main.ts';
import { findProgram } from '../../scripts/packages.ts';
import { inside } from './cluster.ts';
import { copyTestpmd } from './dpdk-image.ts';
import { importImage } from './import-image.ts';
import type { PodSpace } from './pod-space.ts';

const directory = join(projectRoot, 'manifests/examples');

/** Path of an example. */
export function exampleFile(name: string): string {
  return join(directory, name);
}

/** The shell commands in the heading of an example: what its comment indents. */
export function commandsOf(text: string): string {
  const lines = text.split('\n');
  const heading = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('#')),
  );
  return heading.flatMap((line) => (line.startsWith('#   ') ? [line.slice(4)] : [])).join('\n');
}

/** Runs the commands of an example one after another, in the namespace of `space`, and returns what they print. */
export async function follow(space: PodSpace, example: string): Promise<string> {
  const commands = commandsOf(readFileSync(exampleFile(example), 'utf8'));
  const script = `cd '${directory}'\nkubectl() { command kubectl --namespace '${space.namespace}' "$@"; }\n${commands}\n`;
  return run(inside(['sh', '-c', script]));
}

/** Gives the node the images that examples name, apart from our own. */
export async function importExampleImages(): Promise<void> {
  await importImage('docker.io/library/busybox:1.36', async () => undefined);
  await importImage('docker.io/library/usvhost-tools:0.1.0', async (root) => {
    const iperf3 = findProgram('iperf3');
    if (iperf3 === undefined) throw usvFailure('USV_PEER_MISSING', 'iperf3');
    copyInto(root, iperf3, '/bin/iperf3');
    await copyLibrariesOf(iperf3, root);
    await copyTestpmd(root);
  });
}
