// SPDX-License-Identifier: Apache-2.0
//
// The walls of a pod of the DaemonSet around a daemon: namespaces of its own for mounts, processes, IPC, host name and network,
// a root that is read-only but for what a test names, no capability and no way to get one. The mount namespace hears of the
// runtime's mounts, as with mount propagation HostToContainer.

import { readFileSync } from 'node:fs';
import { errnoOf } from '../../lib/errno.ts';
import { amRoot, inPublic } from './person.ts';

export interface Walls {
  /** Who the daemon is inside; 0 is root without a capability. */
  readonly uid: number;
}

const namespaces = ['--mount', '--propagation', 'slave', '--ipc', '--uts', '--net', '--pid', '--mount-proc'];

/** `command` within walls. `holder`: the process whose mount namespace is the node's. */
export function withinWalls({ uid }: Walls, holder: number, command: readonly string[]): string[] {
  const ids = uid === 0 ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  const nothing = ['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--no-new-privs'];
  const script = 'mount -o remount,bind,ro /; exec "$@"';
  const inside = ['sh', '-ec', script, 'sh', 'setpriv', ...ids, ...nothing, ...command];
  return [
    ...[
      'nsenter',
      '-t',
      String(holder),
      ...(amRoot ? [] : ['--user', '--preserve-credentials']),
      '--mount',
      '--',
    ],
    ...['unshare', ...namespaces, '--fork', '--kill-child=SIGKILL', '--'],
    ...(uid === 0 ? inside : inPublic(inside)),
  ];
}

/** The first process within the walls that `outer` has built; undefined when it is not there yet or any more. */
export function insideOf(outer: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').trim().split(' ');
    return child === undefined || child === '' ? undefined : Number(child);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** Fields of /proc/PID/status that say what a process may do. */
export function privilegesOf(pid: number): Readonly<Record<string, string>> {
  const wanted = ['Uid', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs'];
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n');
  const fields = lines.map((line) => line.split(/:\s+/));
  return Object.fromEntries(
    fields.flatMap(([name = '', value = '']) =>
      wanted.includes(name) ? [[name, value.split('\t')[0] ?? '']] : [],
    ),
  );
}
