// SPDX-License-Identifier: Apache-2.0
//
// The devices of one resource: interchangeable ports with ids that never change, and their common health. Ids are the
// same after every restart, because the kubelet remembers them for running pods.

import { usvError } from '../lib/errors.ts';

/** The two words the kubelet knows (device plugin API v1beta1, Device.health). */
type Health = 'Healthy' | 'Unhealthy';

export interface PoolDevice {
  readonly id: string;
  readonly health: Health;
}

const prefix = 'port-';

export class DevicePool {
  readonly #ids: readonly string[];
  readonly #rank: ReadonlyMap<string, number>;
  readonly #listeners = new Set<() => void>();
  #healthy = true;

  /** `count` healthy devices `port-0`…. */
  constructor(options: { readonly count: number }) {
    this.#ids = Array.from({ length: options.count }, (_, index) => `${prefix}${index}`);
    this.#rank = new Map(this.#ids.map((id, index) => [id, index]));
  }

  /** All devices, always all of them: a missing device would be taken from the node's capacity. */
  list(): PoolDevice[] {
    const health = this.#healthy ? 'Healthy' : 'Unhealthy';
    return this.#ids.map((id) => ({ id, health }));
  }

  /** Says whether ports can be used; listeners hear of a change only. */
  setHealth(healthy: boolean): void {
    if (this.#healthy === healthy) return;
    this.#healthy = healthy;
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` at each change; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The ids in the order of the pool, each once. Throws USV_DEVICE_UNKNOWN when one is not of this pool. */
  order(ids: readonly string[]): string[] {
    const unknown = ids.find((id) => !this.#rank.has(id));
    if (unknown !== undefined) {
      throw usvError('USV_DEVICE_UNKNOWN', {
        what: 'a device id',
        expected: `${prefix}0..${prefix}${this.#ids.length - 1}`,
        got: JSON.stringify(unknown),
      });
    }
    const rankOf = (id: string): number => this.#rank.get(id) ?? 0;
    return [...new Set(ids)].sort((a, b) => rankOf(a) - rankOf(b));
  }
}
