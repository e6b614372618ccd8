// SPDX-License-Identifier: Apache-2.0
//
// Installing and taking back, in the order in which a runtime that looks in between finds a node that works: the binary
// is there before a list names it, and goes after no list does.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { mountPointsBelow } from '../../device-plugin/mount-points.ts';
import { usvError } from '../../lib/errors.ts';
import { hostPaths } from '../../lib/names.ts';
import { type ChainResult, chainedLists, firstConfiguration, planChain, planUnchain } from './chain.ts';
import { type PurgeResult, purge } from './purge.ts';
import { installShim, readShim, type ShimAction, uninstallShim } from './shim.ts';

export interface InstallPlan {
  /** Directory under which the host's paths below hang. */
  readonly root: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  /** The binary to install, as this process sees it. */
  readonly shim: string;
  /** A configuration list of the host, `auto`, or none. */
  readonly chain: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface InstallResult {
  readonly shim: { readonly path: string; readonly action: ShimAction };
  readonly chain: readonly ChainResult[];
}

/** @throws UsvhostError USV_NATIVE_BUILD, USV_CONFIG, USV_CNI_FIELD, USV_CNI_VERSION, USV_IO */
export function install(plan: InstallPlan): InstallResult {
  const directory = join(plan.root, plan.cniConfDir);
  const content = readShim(plan.shim);
  const lists =
    plan.chain === undefined
      ? []
      : [plan.chain === 'auto' ? firstConfiguration(directory) : join(plan.root, plan.chain)];
  // Decided before anything is done: a list that is refused leaves the node as it was.
  const edits = lists.map((list) => planChain(list, plan.options));
  const path = join(plan.root, plan.cniBinDir, 'usvhost');
  const action = installShim(content, path);
  return { shim: { path, action }, chain: edits.map((edit) => edit.apply()) };
}

/**
 * Takes the plugin out of the lists, and away. It stays, `in use`, while pods hold ports: their DEL comes by it, and a runtime without
 * it could not end them.
 * @throws UsvhostError USV_CONFIG when a list would be left that names the removed binary, USV_IO
 */
export function uninstall(plan: InstallPlan): InstallResult {
  const directory = join(plan.root, plan.cniConfDir);
  const lists =
    plan.chain === undefined || plan.chain === 'auto'
      ? chainedLists(directory)
      : [join(plan.root, plan.chain)];
  if (plan.chain === undefined && lists.length > 0) {
    throw usvError('USV_CONFIG', {
      what: `the entry of type usvhost in ${lists.join(', ')}`,
      expected: '--chain auto to take it out with the plugin',
      got: 'no --chain; every pod of the node would fail without the plugin',
    });
  }
  const edits = lists.map(planUnchain);
  const chained = edits.map((edit) => edit.apply());
  const path = join(plan.root, plan.cniBinDir, 'usvhost');
  const action = portsInUse(plan.root) ? 'in use' : uninstallShim(path);
  return { shim: { path, action }, chain: chained };
}

/** Uninstalls, and removes what agent and switch keep, unless pods hold ports. @throws as uninstall and purge do */
export async function uninstallAll(plan: InstallPlan): Promise<InstallResult & { state: PurgeResult[] }> {
  const result = uninstall(plan);
  return { ...result, state: result.shim.action === 'in use' ? [] : await purge(plan.root) };
}

function portsInUse(root: string): boolean {
  const { podsDir } = hostPaths(root);
  return existsSync(podsDir) && mountPointsBelow(podsDir).length > 0;
}
