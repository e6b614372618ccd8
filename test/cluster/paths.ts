// SPDX-License-Identifier: Apache-2.0
//
// Where a cluster keeps things: binaries by version in the user's cache, and all of a running cluster in a directory of its name.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { usvError } from '../../lib/errors.ts';
import { versions } from './versions.ts';

/** What decides how the cache looks, besides the versions. */
const recipe = ['binaries.ts', 'go.ts', 'images.ts', '../../scripts/image/archive.ts', 'one/main.go'];

/** `${XDG_CACHE_HOME:-~/.cache}/usvhost/cluster/<hash>`: the same for the same versions and the same way to build them. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return cacheOf(recipe, environment);
}

/** Where the product of `files` and the versions lies. */
export function cacheOf(files: readonly string[], environment: NodeJS.ProcessEnv = process.env): string {
  const home = environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const hash = createHash('sha256').update(JSON.stringify(versions));
  for (const file of files) hash.update(readFileSync(join(import.meta.dirname, file)));
  return join(home, 'usvhost/cluster', hash.digest('hex').slice(0, 16));
}

/**
 * Of all clusters of a machine: a directory for each, and what they change of the machine. Not below /run: a node has a /run of
 * its own and must see this one too.
 */
export const clustersDirectory = '/var/lib/usvhost-clusters';

/** `USVHOST_CLUSTER`, by default `default`. @throws UsvhostError USV_USAGE when it cannot be a name */
export function clusterName(environment: NodeJS.ProcessEnv = process.env): string {
  const name = environment['USVHOST_CLUSTER'] ?? '';
  if (name === '') return 'default';
  if (/^[a-z0-9-]{1,15}$/.test(name)) return name;
  const expected = 'up to 15 of a-z, 0-9 and -';
  throw usvError('USV_USAGE', { what: 'USVHOST_CLUSTER', expected, got: name });
}

/** All of the cluster with this name. */
export function stateDirectory(name: string = clusterName()): string {
  return join(clustersDirectory, name);
}

export interface Paths {
  /** Programs, and their plugins in `cni/`. */
  readonly bin: string;
  readonly images: string;
  readonly state: string;
  readonly pki: string;
  readonly log: string;
  /** One file for each daemon of the node: its process id, as the node sees it. */
  readonly pids: string;
  /** A daemon with a file of its name in here stays down once it has ended. */
  readonly held: string;
  /** What containers of the node begin with. */
  readonly baseSpec: string;
  /** The node's boot id, after its first reboot. */
  readonly bootId: string;
  readonly kubeconfig: string;
}

/** Variables for programs of the node: its programs first, its administrator, and no cache of kubectl in anybody's home. */
export function environmentOf(paths: Paths): Record<string, string> {
  return {
    PATH: `${paths.bin}:${process.env['PATH']}:/usr/sbin:/sbin`,
    KUBECONFIG: paths.kubeconfig,
    KUBECACHEDIR: join(paths.state, 'kubectl'),
  };
}

export function pathsIn(cache: string, state: string = stateDirectory()): Paths {
  return {
    bin: join(cache, 'bin'),
    images: join(cache, 'images'),
    state,
    pki: join(state, 'pki'),
    log: join(state, 'log'),
    pids: join(state, 'pids'),
    held: join(state, 'held'),
    baseSpec: join(state, 'base-spec.json'),
    bootId: join(state, 'boot-id'),
    kubeconfig: join(state, 'pki/admin.kubeconfig'),
  };
}
