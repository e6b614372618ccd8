// SPDX-License-Identifier: Apache-2.0
//
// The walls around the node: namespaces of its own for mounts, processes, network, host name, IPC and control groups. Whatever runs inside ends
// with the first process in there, mounts and links included. It knows nothing of Kubernetes.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../../lib/errno.ts';
import { eventually } from '../../support/eventually.ts';

/** The first process of a node: by number and start, since numbers are used again. */
export interface FirstProcess {
  readonly pid: number;
  readonly startedAt: string;
  /** As /proc names them. */
  readonly namespaces: readonly string[];
}

const walls = ['mount', 'pid', 'net', 'uts', 'ipc', 'cgroup'].map((name) => `--${name}`);
/** The first process only waits for all that end, as a process with number 1 must; the story is its child's. */
const reaper = ['/bin/sh', '-c', '"$@" & wait', 'sh'];

/** Goes into control groups, each given by its `cgroup.procs`, before it is what follows `--`. */
const member = ['sh', '-ec', 'while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@"', 'sh'];

/**
 * Starts `command` as the story inside. Its standard output is a pipe; standard error goes to the descriptor `log`. The control
 * groups `groups`, by their files `cgroup.procs`, are what it sees as roots.
 */
export function raise(command: readonly string[], log: number, groups: readonly string[] = []): ChildProcess {
  const unshare = ['unshare', ...walls, '--fork', '--mount-proc', '--kill-child=SIGKILL', '--'];
  const [shell = '', ...args] = [...member, ...groups, '--', ...unshare, ...reaper, ...command];
  return spawn(shell, args, { stdio: ['ignore', 'pipe', log], detached: true });
}

/** The command that runs `command` inside: what the caller sees as the current directory stays so. */
export function insideCommand(init: FirstProcess, command: readonly string[]): string[] {
  return ['nsenter', `--target=${init.pid}`, ...walls, `--wdns=${process.cwd()}`, '--', ...command];
}

/** The first process inside, once there is one. */
export async function firstProcess(unshare: ChildProcess): Promise<FirstProcess> {
  const children = `/proc/${unshare.pid}/task/${unshare.pid}/children`;
  const look = (): string => readFileSync(children, 'utf8').trim();
  const pid = await eventually(look, (found) => found !== '', 'a process inside the namespaces');
  return { pid: Number(pid), startedAt: startOf(pid) ?? '', namespaces: namespacesOf(pid) };
}

export function isAlive({ pid, startedAt }: FirstProcess): boolean {
  return startOf(String(pid)) === startedAt;
}

/**
 * Ends everything inside, and returns when no process of the machine is in any of the node's namespaces.
 * @throws UsvhostError USV_HANDSHAKE with those that are
 */
export async function raze(init: FirstProcess): Promise<void> {
  if (isAlive(init)) process.kill(init.pid, 'SIGKILL');
  const look = (): string[] => processesIn(init.namespaces);
  const options = { millis: 30_000, stepMillis: 20 };
  await eventually(look, (found) => found.length === 0, 'no process in the namespaces of the node', options);
}

function processesIn(namespaces: readonly string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => namespacesOf(pid).some((namespace) => namespaces.includes(namespace)));
}

/** Those that the node has for itself; none for a process that has ended. */
function namespacesOf(pid: string): string[] {
  return ['mnt', 'pid', 'net'].flatMap(
    (kind) => unlessEnded(() => readlinkSync(`/proc/${pid}/ns/${kind}`)) ?? [],
  );
}

/** Kills what `raise` started before its first process is known. */
export async function abandon(unshare: ChildProcess): Promise<void> {
  if (unshare.exitCode !== null || unshare.signalCode !== null) return;
  unshare.kill('SIGKILL');
  await once(unshare, 'exit');
}

/** Start time in ticks since boot (proc(5), stat, field 22); undefined when it has ended, also when nobody has waited for it yet. */
function startOf(pid: string): string | undefined {
  const stat = unlessEnded(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The name before the last parenthesis may hold anything.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return state === 'Z' ? undefined : fields[18];
}

/** What `read` reads of a process; undefined when there is no such process any more. */
function unlessEnded(read: () => string): string | undefined {
  try {
    return read();
  } catch (error) {
    if (!['ENOENT', 'ESRCH', 'EACCES'].includes(errnoOf(error))) throw error;
    return undefined;
  }
}
