// SPDX-License-Identifier: Apache-2.0
//
// Multus (thick) in the node, as its users install it: upstream's own manifest, a daemon on each node that calls plugins in a
// chroot to the node's root. Its image is built from its Go module, once, into the cache.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { writeImage } from '../../scripts/image/archive.ts';
import { eventually } from '../support/eventually.ts';
import { inside } from './cluster.ts';
import { download, go, type Say } from './go.ts';
import { writeBusybox } from './images.ts';
import { importArchive } from './import-image.ts';
import { cniDirectory, singleNetwork } from './names.ts';
import { removeNodeFile } from './node-file.ts';
import { cacheOf } from './paths.ts';
import type { Stage } from './stage.ts';
import type { OnUndo } from './undo.ts';
import { versions } from './versions.ts';

const multus = 'gopkg.in/k8snetworkplumbingwg/multus-cni.v4';
const upstreamImage = 'ghcr.io/k8snetworkplumbingwg/multus-cni:snapshot-thick';
const image = 'usvhost.test/multus-thick:1';
/** Where upstream's image has them. */
const programs = {
  'multus-daemon': 'multus-daemon',
  'multus-shim': 'multus-shim',
  install_multus: 'install_multus',
  'passthru-cni': 'passthru',
};
const imageFile = 'image.tar';
const manifestFile = 'manifest.yml';

/** Returns the directory with the image and the manifest; at once when it is there already. */
export async function buildMultusThick(say: Say): Promise<string> {
  const directory = cacheOf([
    basename(import.meta.filename),
    'go.ts',
    'images.ts',
    '../../scripts/image/archive.ts',
  ]);
  if (existsSync(directory)) return directory;
  say('compiling Multus (thick)');
  mkdirSync(dirname(directory), { recursive: true });
  const partial = mkdtempSync(`${directory}.`);
  try {
    const { Dir: source } = await download(`${multus}@${versions.multus}`, { in: partial });
    const root = join(partial, 'root');
    // The daemon asks for its user by name, and finds namespaces by /var/run.
    writeBusybox(root);
    const bin = join(root, 'usr/src/multus-cni/bin');
    mkdirSync(bin, { recursive: true });
    for (const [command, name] of Object.entries(programs)) {
      const args = ['build', '-v', '-ldflags=-s -w', '-o', join(bin, name), `./cmd/${command}`];
      await go(args, { in: source, say });
    }
    writeImage({ name: image, layers: [root] }, join(partial, imageFile));
    rmSync(root, { recursive: true });
    const manifest = readFileSync(join(source, 'deployments/multus-daemonset-thick.yml'), 'utf8');
    writeFileSync(join(partial, manifestFile), manifest.replaceAll(upstreamImage, image));
    renameSync(partial, directory);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return directory;
}

/** Returns when the daemon runs and has put its configuration in front of the default network's. */
export async function installMultusThick(stage: Stage, onUndo: OnUndo): Promise<void> {
  const directory = await buildMultusThick(() => undefined);
  await importArchive(join(directory, imageFile));

  const kubectl = async (...args: readonly string[]): Promise<string> => run(inside(['kubectl', ...args]));
  const configuration = `${cniDirectory}/00-multus.conf`;
  const plugins = ['multus-shim', 'passthru'].map((name) => `/opt/cni/bin/${name}`);
  // It takes the first network that it finds.
  const single = `${cniDirectory}/10-${basename(singleNetwork)}`;
  await run(inside(['cp', singleNetwork, single]));
  onUndo(async () => removeNodeFile(single));
  // The daemon leaves these behind, as it would need them after a restart.
  onUndo(async () => run(inside(['rm', '-f', configuration, ...plugins])));
  const manifest = `--filename=${join(directory, manifestFile)}`;
  onUndo(async () => kubectl('delete', manifest, '--timeout=90s'));
  onUndo(async () => stage.clear());
  await kubectl('apply', manifest);
  await kubectl('--namespace=kube-system', 'rollout', 'status', 'daemonset/kube-multus-ds', '--timeout=90s');
  const look = async (): Promise<string> => run(inside(['ls', cniDirectory]));
  const there = (names: string): boolean => names.includes(basename(configuration));
  await eventually(look, there, 'the configuration of Multus', { millis: 60_000, stepMillis: 200 });
}
