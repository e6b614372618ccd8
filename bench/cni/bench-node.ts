// SPDX-License-Identifier: Apache-2.0
//
// A node for the measurements of CNI: switch and agent as an image runs them (npm run bundle), and network namespaces of pods.

import { join } from 'node:path';
import { DemoNode, project } from '../../cli/demo/node.ts';
import { Child } from '../../cli/demo/process.ts';

type Undo = (step: () => Promise<void>) => void;

export const resource = 'usvhost.io/port';

/** The command of a daemon; it wants USVHOST_NODE. */
export function bundled(...args: readonly string[]): string[] {
  return [join(project, 'build/bundle/usvhost'), ...args];
}

/** Starts them; `env` is added to theirs. */
export async function startBenchNode(
  root: string,
  undo: Undo,
  env: Readonly<Record<string, string>> = {},
): Promise<DemoNode> {
  const node = await DemoNode.start(root, {
    tunDevice: '/dev/net/tun',
    command: bundled,
    env: { USVHOST_NODE: process.execPath, ...env },
  });
  undo(() => node.close());
  return node;
}

/** Gives out one device. */
export async function allocate(node: DemoNode): Promise<string> {
  const { devices } = await node.kubelet.allocate(resource, 1);
  return devices[0] ?? '';
}

/** A network namespace, held by a process; returns its path. */
export async function podNamespace(undo: Undo): Promise<string> {
  const ready = Promise.withResolvers<void>();
  const argv = ['unshare', '--net', '--', 'sh', '-c', 'echo ready; exec sleep 3600'];
  const holder = new Child('a network namespace', argv, { onLine: () => ready.resolve() });
  undo(() => holder.stop('SIGKILL').then(() => undefined));
  await holder.whileRunning(ready.promise);
  return `/proc/${holder.pid}/ns/net`;
}
