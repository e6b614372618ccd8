// SPDX-License-Identifier: Apache-2.0
//
// Installing and taking back, in the order in which a runtime that looks in between finds a node that works: the binary
// is there before a list names it, and goes after no list does.

import { join } from 'node:path';
import { usvError } from '../../lib/errors.ts';
import { type ChainResult, chainedLists, firstConfiguration, planChain, planUnchain } from './chain.ts';
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

/** @throws UsvhostError USV_CONFIG when a list would be left that names the removed binary, USV_IO */
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
  return { shim: { path, action: uninstallShim(path) }, chain: chained };
}
