// SPDX-License-Identifier: Apache-2.0
//
// Pods that come again, since they are a deployment's, and finding the one that runs after a boot.

import { UsvhostError } from '../../lib/errors.ts';
import { eventually } from '../support/eventually.ts';
import type { PodSpace } from './pod-space.ts';

interface Pod {
  readonly metadata: { readonly name: string; readonly annotations?: object };
  readonly spec: object;
}

/** A deployment of one pod, by the pod's name. */
export function deployment(pod: object): object {
  const { metadata, spec } = pod as Pod;
  const { name, annotations = {} } = metadata;
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations }, spec },
    },
  };
}

/** Waits for the pod of a deployment that sees this boot id, and returns its name. */
export async function podOf(space: PodSpace, name: string, bootId: string): Promise<string> {
  const look = async (): Promise<[string, string]> => {
    try {
      const running = [`--selector=app=${name}`, '--field-selector=status.phase=Running'];
      const names = await space.kubectl('get', 'pods', ...running, '--output=name');
      const pod = names.split('\n').at(-1)?.replace('pod/', '') ?? '';
      return [pod, await space.exec(pod, 'cat', '/proc/sys/kernel/random/boot_id')];
    } catch (error) {
      // There is none yet, or one of before whose end the kubelet has not told.
      if (error instanceof UsvhostError) return ['', error.details];
      throw error;
    }
  };
  const options = { millis: 180_000, stepMillis: 500 };
  const [pod] = await eventually(look, ([, seen]) => seen === bootId, `a pod of ${name}`, options);
  await space.runs(pod);
  return pod;
}
