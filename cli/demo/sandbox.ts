// SPDX-License-Identifier: Apache-2.0
//
// The walls around the demo: namespaces of its own for mounts, processes and (without root) users, so that whatever
// happens inside ends with its first process. Outside only an empty directory is made, and removed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { errnoOf } from '../../lib/errno.ts';
import { usvFailure } from '../../lib/errors.ts';

export interface SandboxResult {
  readonly code: number;
  /** What the inside wrote to descriptor 3. */
  readonly document: string;
  /** What is left outside, by kind; empty when all is well. */
  readonly leftovers: readonly string[];
}

/**
 * Runs a command within walls. `command` is told its directory, which it finds empty, and must say that directory among its
 * arguments, so that what is left of it can be found. `stop` asks it to end.
 */
export async function runInSandbox(
  command: (root: string) => readonly string[],
  stop: AbortSignal,
): Promise<SandboxResult> {
  const root = mkdtempSync(join(tmpdir(), 'usvhost-demo-'));
  const namespacesBefore = namedNetworkNamespaces();
  try {
    const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
    // A network namespace too: without root the plugin could not come back into the machine's own.
    const walls = [
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--kill-child=SIGKILL',
      '--mount-proc',
      '--propagation',
      'private',
    ];
    // Descriptor 0 is a pipe that we hold: when we die in whatever way, the inside reads its end and stops.
    const child = spawn('unshare', [...user, ...walls, '--', ...command(root)], {
      stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
      detached: true,
    });
    const [document, code] = await Promise.all([readDocument(child), exitCode(child, stop)]);
    return { code, document, leftovers: leftovers(root, namespacesBefore) };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function readDocument(child: ChildProcess): Promise<string> {
  const pipe = child.stdio[3];
  return pipe === null || pipe === undefined || !('read' in pipe) ? '' : text(pipe);
}

async function exitCode(child: ChildProcess, stop: AbortSignal): Promise<number> {
  // The end of its standard input is what asks the inside to stop; it also comes when this process is killed.
  const end = (): void => void child.stdin?.end();
  child.stdin?.on('error', () => undefined);
  stop.addEventListener('abort', end, { once: true });
  if (stop.aborted) end();
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return code ?? 1;
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    throw usvFailure('USV_PEER_MISSING', 'the demo needs unshare (apt-get install util-linux)', { cause });
  } finally {
    stop.removeEventListener('abort', end);
  }
}

function namedNetworkNamespaces(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Looks for the demo from outside: mounts, processes, named network namespaces, files. */
function leftovers(root: string, namespacesBefore: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(root))
    .map((line) => `mount ${line.split(' ')[4]}`);
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLine(pid).includes(root))
    .map((pid) => `process ${pid} ${commandLine(pid)}`);
  const namespaces = namedNetworkNamespaces()
    .filter((name) => !namespacesBefore.includes(name))
    .map((name) => `network namespace ${name}`);
  const files = readdirSync(root).map((name) => `file ${join(root, name)}`);
  return [...mounts, ...processes, ...namespaces, ...files];
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch (error) {
    // It ended meanwhile.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errnoOf(error))) return '';
    throw error;
  }
}
