// SPDX-License-Identifier: Apache-2.0
//
// Runs a part of the benchmark in mount, network and process namespaces of its own, so that bridges, interfaces and
// processes of any plugin end with it. Root or, with user namespaces, without.

import { Child } from '../../cli/demo/process.ts';

/**
 * Runs a module of ours there and returns the JSON document that it prints last. Everything inside is killed when `stop` is
 * aborted, so its files must lie where the caller removes them.
 * @throws UsvhostError USV_IO
 */
export async function insideWalls(
  stop: AbortSignal,
  module: string,
  ...args: readonly string[]
): Promise<unknown> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const spaces = ['--mount', '--net', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc'];
  const argv = ['unshare', ...user, ...spaces, '--propagation', 'private', '--'];
  const child = new Child(module, [...argv, process.execPath, module, ...args]);
  const kill = (): void => void child.stop('SIGKILL');
  stop.addEventListener('abort', kill, { once: true });
  try {
    return JSON.parse((await child.succeeded()).split('\n').at(-1) ?? '');
  } finally {
    stop.removeEventListener('abort', kill);
  }
}
