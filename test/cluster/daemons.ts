// SPDX-License-Identifier: Apache-2.0
//
// Daemons of the node that a story wants down for a while. The state directory lies on the machine's disk and is the same from
// both sides.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { inside } from './cluster.ts';
import { pathsIn } from './paths.ts';

export type DaemonName = 'kubelet' | 'containerd' | 'kube-apiserver' | 'kube-proxy';

/** Kills daemons, which stay down. */
export async function hold(...names: readonly DaemonName[]): Promise<void> {
  const { held, pids } = pathsIn('');
  for (const name of names) writeFileSync(join(held, name), '');
  const script = 'for pid; do kill -KILL "$pid"; while [ -e "/proc/$pid" ]; do sleep 0.05; done; done';
  const ids = names.map((name) => `$(cat ${join(pids, name)})`);
  await run(inside(['sh', '-c', `set -- ${ids.join(' ')}; ${script}`]));
}

/** They start again. Of one that was not held nothing happens. */
export function letGo(...names: readonly DaemonName[]): void {
  for (const name of names) rmSync(join(pathsIn('').held, name), { force: true });
}
