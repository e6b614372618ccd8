// SPDX-License-Identifier: Apache-2.0
//
// The devices of one resource: interchangeable, with ids that never change, each with a health and perhaps a NUMA node.
// Ids and nodes are the same after every restart, because the kubelet remembers them for running pods.

import { usvError } from '../lib/errors.ts';

/** The two words the kubelet knows (device plugin API v1beta1, Device.health). */
type Health = 'Healthy' | 'Unhealthy';

export interface PoolDevice {
  readonly id: string;
  readonly health: Health;
  /** Undefined where no node is nearer to the device than another. */
  readonly numaNode: number | undefined;
}

export interface PoolOptions {
  /** What stands before the number in an id, `port-`. */
  readonly prefix: string;
  readonly count: number;
  /** The devices are dealt out to these in turn, so that a higher count moves none; default none. */
  readonly numaNodes?: readonly number[];
  /** Health of all devices at first; default true. */
  readonly healthy?: boolean;
}

export class DevicePool {
  /** What stands before the number in an id. */
  readonly prefix: string;
  readonly #ids: readonly string[];
  readonly #rank: ReadonlyMap<string, number>;
  readonly #numaNodes: readonly number[];
  readonly #unhealthy: Set<string>;
  readonly #listeners = new Set<() => void>();

  /** `count` devices `<prefix>0`…. */
  constructor({ prefix, count, numaNodes = [], healthy = true }: PoolOptions) {
    this.prefix = prefix;
    this.#ids = Array.from({ length: count }, (_, index) => `${prefix}${index}`);
    this.#rank = new Map(this.#ids.map((id, index) => [id, index]));
    this.#numaNodes = numaNodes;
    this.#unhealthy = new Set(healthy ? [] : this.#ids);
  }

  /** All devices, always all of them: a missing device would be taken from the node's capacity. */
  list(): PoolDevice[] {
    return this.#ids.map((id) => ({
      id,
      health: this.#unhealthy.has(id) ? 'Unhealthy' : 'Healthy',
      numaNode: this.numaNode(id),
    }));
  }

  /** The ids that are unhealthy, in the order of the pool. */
  unhealthy(): string[] {
    return this.#ids.filter((id) => this.#unhealthy.has(id));
  }

  /** The node of a device of the pool; undefined without nodes. */
  numaNode(id: string): number | undefined {
    return this.#numaNodes[(this.#rank.get(id) ?? 0) % this.#numaNodes.length];
  }

  /** Says whether devices of the pool (default all) can be used; listeners hear of a change only. */
  setHealth(healthy: boolean, ids: readonly string[] = this.#ids): void {
    const before = this.#unhealthy.size;
    for (const id of ids) {
      if (healthy) this.#unhealthy.delete(id);
      else this.#unhealthy.add(id);
    }
    // The call changes all in one direction, so the number says whether it changed any.
    if (this.#unhealthy.size === before) return;
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` at each change; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  has(id: string): boolean {
    return this.#rank.has(id);
  }

  /** The ids in the order of the pool, each once. Throws USV_DEVICE_UNKNOWN when one is not of this pool. */
  order(ids: readonly string[]): string[] {
    const unknown = ids.find((id) => !this.#rank.has(id));
    if (unknown !== undefined) {
      throw usvError('USV_DEVICE_UNKNOWN', {
        what: 'a device id',
        expected: `${this.prefix}0..${this.prefix}${this.#ids.length - 1}`,
        got: JSON.stringify(unknown),
      });
    }
    const rankOf = (id: string): number => this.#rank.get(id) ?? 0;
    return [...new Set(ids)].sort((a, b) => rankOf(a) - rankOf(b));
  }

  /**
   * The devices of one container. The kubelet's lists have no order; the lowest id stands first, so that a repeated
   * request has the same answer. Throws USV_DEVICE_UNKNOWN, and USV_USAGE without a device.
   */
  ofContainer(ids: readonly string[]): readonly [string, ...string[]] {
    const [first, ...others] = this.order(ids);
    if (first !== undefined) return [first, ...others];
    throw usvError('USV_USAGE', {
      what: 'a container in Allocate',
      expected: 'at least one device',
      got: 'none',
    });
  }
}
