// SPDX-License-Identifier: Apache-2.0
//
// Pods that talk over the switch: one container each, whose dataplane feeds an ordinary interface for every port, and what
// stories ask of them.

import { eventually } from '../support/eventually.ts';
import { ourImage } from './our-image.ts';
import type { PodSpace } from './pod-space.ts';
import { type PodOptions, pod } from './pods.ts';

interface TalkerOptions extends PodOptions {
  /** Names of its ports in the pod. Default: net1. */
  readonly interfaces?: readonly string[];
  /** Further flags of each dataplane. */
  readonly flags?: string;
}

/** A pod with a port for each interface, and a dataplane for each port. */
export function talker(name: string, options: TalkerOptions = {}): object {
  const { interfaces = ['net1'], flags = '', ...rest } = options;
  const start = interfaces.map(
    (each) => `usvhost dataplane --port net_virtio_user0,path=/var/run/usvhost/${each} ${flags} &`,
  );
  const command = ['sh', '-c', `${start.join(' ')} wait`];
  return pod(name, { image: ourImage, command, ports: interfaces.length, ...rest });
}

/** The IPv4 address of a pod's interface. */
export async function addressOf(stage: PodSpace, pod: string, device = 'net1'): Promise<string> {
  const output = await stage.exec(pod, 'ip', '-4', '-o', 'address', 'show', 'dev', device);
  return /inet ([\d.]+)/.exec(output)?.[1] ?? output;
}

/** Returns when three pings in a row are answered: ready means started, the dataplanes may still be connecting. */
export async function reaches(stage: PodSpace, pod: string, target: string, device = 'net1'): Promise<void> {
  const ping = async (): Promise<string> =>
    stage.exec(pod, 'sh', '-c', `/bin/ping -I ${device} -i 0.1 -c 3 -w 5 ${target} || true`);
  // A path, for busybox's shell has a ping of its own. Its words, and those of iputils.
  const answered = (output: string): boolean => /\b3 (packets )?received/.test(output);
  await eventually(ping, answered, `3 answers from ${target}`, { millis: 60_000 });
}
