// SPDX-License-Identifier: Apache-2.0
//
// The reconciler as the agent runs it: on the real mount table, woken by new tombstones.

import { readFileSync, realpathSync } from 'node:fs';
import type { AgentConfig } from '../lib/config/agent.ts';
import { watchDirectory } from '../lib/directory-watch.ts';
import { hostPaths } from '../lib/names.ts';
import { Reconciler, type ReconcilerOptions } from './reconciler.ts';
import type { Tombstones } from './tombstones.ts';

type Deps = Pick<
  ReconcilerOptions,
  'store' | 'leftovers' | 'queue' | 'switchPorts' | 'listPods' | 'log' | 'observer'
> & {
  readonly tombstones: Tombstones;
};

/** Starts with a first pass. The directories below the root must exist. */
export function startReconciler(
  config: Pick<AgentConfig, 'root' | 'reconcileSeconds'>,
  deps: Deps,
): Pick<Reconciler, 'kick' | 'close'> {
  const { runDir, podsDir } = hostPaths(config.root);
  const reconciler = new Reconciler({
    ...deps,
    runDir,
    podsDir: realpathSync(podsDir),
    readMounts: () => readFileSync('/proc/self/mountinfo', 'utf8'),
    intervalMillis: config.reconcileSeconds * 1000,
  });
  const watch = watchDirectory(
    deps.tombstones.directory,
    () => reconciler.kick(),
    (error) => deps.log.warn({ err: error }, 'the tombstones are not watched; the timer finds them'),
  );
  reconciler.kick();
  return {
    kick: () => reconciler.kick(),
    close: async () => {
      watch.close();
      await reconciler.close();
    },
  };
}
