// SPDX-License-Identifier: Apache-2.0
//
// Memory slices of one size as devices: each is a file that is made before its device is healthy, and made anew before it
// is given out a second time, for the API does not say when a pod gives it back. What cannot be made stays unhealthy and is
// tried again. Files outlive the agent, since pods that run have them mounted; files found at start count as used.

import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createBackoff } from '../lib/backoff.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ContainerAllocateResponse } from '../proto/gen/v1beta1/ContainerAllocateResponse.ts';
import { availableOnNode } from './numa-node.ts';
import { DevicePool } from './pool.ts';
import { respondWithSlices, slicePoolName } from './slice-allocation.ts';
import { checkFileSystem, checkRoom, makePrivateDirectory, type SliceKind } from './slice-directory.ts';
import { giveUpSliceFile, makeSliceFile, type RunProgram } from './slice-file.ts';

/** One pool as the configuration has it, with its directory chosen. */
export interface SliceConfig {
  readonly kind: SliceKind;
  /** Size of a slice in MiB. */
  readonly sizeMi: number;
  readonly count: number;
  readonly numaNodes: readonly number[];
  /** A directory that exists: of tmpfs or hugetlbfs. */
  readonly base: string;
  /** Directories to make below `base` for the pool's files, the last one its own. */
  readonly below: readonly string[];
}

export interface SlicePoolDeps {
  readonly log: Logger;
  readonly run: RunProgram;
  /** Memory that this process may still have, in bytes. */
  readonly availableBytes: () => number;
}

export class SlicePool {
  readonly #config: SliceConfig;
  readonly #resourceName: string;
  readonly #deps: SlicePoolDeps;
  readonly #directory: string;
  readonly #bytes: number;
  readonly devices: DevicePool;
  /** Made, and given to nobody since. */
  readonly #fresh = new Set<string>();
  readonly #backoff = createBackoff({ initialMillis: 1000, maxMillis: 60_000 });
  #turn: Promise<unknown> = Promise.resolve();
  #filling: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #started = false;
  #closed = false;

  constructor(config: SliceConfig, resourceName: string, deps: SlicePoolDeps) {
    this.#config = config;
    this.#resourceName = resourceName;
    this.#deps = deps;
    this.#directory = join(config.base, ...config.below);
    this.#bytes = config.sizeMi * 1024 * 1024;
    const { count, numaNodes } = config;
    this.devices = new DevicePool({ prefix: `${slicePoolName(config)}-`, count, numaNodes, healthy: false });
  }

  /** Takes over the slices that are there and begins to make the others; the first time that it is called. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#adopt();
    this.#fill();
  }

  /** Waits for the slice that is being made. The files stay. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await this.#filling;
    await this.#turn;
  }

  /** A used slice takes time to make anew, and memory that somebody else may have by then. */
  isFresh(id: string): boolean {
    return this.#fresh.has(id);
  }

  /**
   * Gives each container fresh slices. Throws USV_DEVICE_UNKNOWN, USV_USAGE, and USV_MEMORY or USV_IO when a slice cannot
   * be made anew; the others are then still fresh.
   */
  async allocate(containers: readonly (readonly string[])[]): Promise<ContainerAllocateResponse[]> {
    const plans = containers.map((ids) => this.devices.ofContainer(ids));
    const wanted = this.devices.order(plans.flat());
    await this.#inTurn(async () => {
      for (const id of wanted) if (!this.#isReady(id)) await this.#make(id);
      for (const id of wanted) this.#fresh.delete(id);
    }).catch((error: unknown) => {
      this.#fillLater(error);
      throw error;
    });
    const place = { name: slicePoolName(this.#config), directory: this.#directory };
    return plans.map((ids) => respondWithSlices(ids, { ...place, resourceName: this.#resourceName }));
  }

  // A runtime would make a directory of a file that somebody has removed.
  #isReady(id: string): boolean {
    const stat = lstatSync(this.#path(id), { throwIfNoEntry: false });
    return this.#fresh.has(id) && stat?.isFile() === true && stat.size === this.#bytes;
  }

  #path(id: string): string {
    return join(this.#directory, id);
  }

  #prepareDirectory(): string {
    const { kind, base, below } = this.#config;
    checkFileSystem(kind, base, this.#bytes);
    return makePrivateDirectory(base, ...below);
  }

  /** What is there under another name is half made or of a larger pool that was. */
  #adopt(): void {
    try {
      const directory = this.#prepareDirectory();
      const ids = new Set(this.devices.list().map(({ id }) => id));
      for (const name of readdirSync(directory)) {
        if (ids.has(name) && lstatSync(join(directory, name)).isFile()) this.devices.setHealth(true, [name]);
        else rmSync(join(directory, name), { recursive: true });
      }
    } catch (error) {
      // The same shows when a slice is made, and is told then.
      this.#deps.log.debug({ resource: this.#resourceName, err: error }, 'no slices to take over');
    }
  }

  #fill(): void {
    this.#filling = this.#fillNow().catch((error: unknown) => this.#fillLater(error));
  }

  async #fillNow(): Promise<void> {
    const missing = this.devices.unhealthy();
    /** By NUMA node: where one slice failed, the others of the node would too. */
    const failed = new Map<number | undefined, unknown>();
    for (const id of missing) {
      if (this.#closed) return;
      const node = this.devices.numaNode(id);
      if (failed.has(node)) continue;
      // One turn each, so that an Allocate need not wait for all; it may have made this one.
      const turn = this.#inTurn(async () => {
        if (this.devices.unhealthy().includes(id)) await this.#make(id);
      });
      await turn.catch((error: unknown) => failed.set(node, error));
    }
    for (const error of failed.values()) throw error;
    this.#backoff.reset();
    if (missing.length > 0)
      this.#deps.log.info({ resource: this.#resourceName, slices: missing.length }, 'slices are made');
  }

  /** After a failure: what is missing is tried again, with growing pauses. */
  #fillLater(error: unknown): void {
    const missing = this.devices.unhealthy();
    if (this.#closed || missing.length === 0) return;
    const retryMillis = this.#backoff.next();
    const context = { resource: this.#resourceName, unhealthy: missing.length, retryMillis };
    if (error instanceof UsvhostError) this.#deps.log.warn({ ...context, code: error.code }, error.message);
    else
      this.#deps.log.error(
        { ...context, code: 'USV_INTERNAL', err: error },
        'a slice failed by a fault of ours',
      );
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#fill(), retryMillis);
  }

  /** Replaces what is there of a slice by a fresh file; its health says whether that worked. */
  async #make(id: string): Promise<void> {
    try {
      const directory = this.#prepareDirectory();
      await giveUpSliceFile(this.#path(id));
      const node = this.devices.numaNode(id);
      checkRoom(this.#config.kind, directory, this.#bytes, this.#availableBytes(node));
      await makeSliceFile({ path: this.#path(id), bytes: this.#bytes, node }, this.#deps.run);
      this.#fresh.add(id);
      this.devices.setHealth(true, [id]);
    } catch (error) {
      this.devices.setHealth(false, [id]);
      throw error;
    }
  }

  #availableBytes(node: number | undefined): number {
    const available = this.#deps.availableBytes();
    return node === undefined ? available : Math.min(available, availableOnNode(node));
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => undefined); // told to who waits for `done`
    return done;
  }
}
