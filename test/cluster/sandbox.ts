// SPDX-License-Identifier: Apache-2.0
//
// A pod's sandbox in the runtime, which ends without anybody having asked the API server.

import { run } from '../../cli/demo/process.ts';
import { inside } from './cluster.ts';
import { containerdSocket } from './names.ts';
import type { PodSpace } from './pod-space.ts';

/** Ends the process that holds the namespaces of a pod: the kubelet deletes the sandbox and makes another one. */
export async function killSandbox({ namespace }: PodSpace, pod: string): Promise<void> {
  const ctr = ['ctr', '--address', containerdSocket, '--namespace', 'k8s.io'];
  // The runtime keeps the sandboxes of pods that are gone for a while: without the namespace those of other stories match too.
  const labels = {
    'io.cri-containerd.kind': 'sandbox',
    'io.kubernetes.pod.name': pod,
    'io.kubernetes.pod.namespace': namespace,
  };
  const filter = Object.entries(labels).map(([name, value]) => `labels."${name}"==${value}`);
  const sandbox = await run(inside([...ctr, 'containers', 'list', '--quiet', filter.join(',')]));
  await run(inside([...ctr, 'tasks', 'kill', '--signal', 'KILL', sandbox.trim()]));
}
