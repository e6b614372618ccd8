// SPDX-License-Identifier: Apache-2.0
//
// How many devices of each resource pods hold, by the kubelet's last word. It asks nobody: whoever has a list of pods shows it.

import type { HoldingPod } from '../device-plugin/pod-resources.ts';

export class Holdings {
  #counts: ReadonlyMap<string, number> | undefined;

  /** These are all pods of the node. */
  take(pods: readonly HoldingPod[]): void {
    const counts = new Map<string, number>();
    for (const { held } of pods)
      for (const [resource, count] of held) counts.set(resource, (counts.get(resource) ?? 0) + count);
    this.#counts = counts;
  }

  /** Devices of the resource that pods held; undefined as long as no list was shown. */
  count(resource: string): number | undefined {
    return this.#counts === undefined ? undefined : (this.#counts.get(resource) ?? 0);
  }
}
