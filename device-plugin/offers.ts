// SPDX-License-Identifier: Apache-2.0
//
// What the configuration offers to the kubelet: the ports and each pool of memory slices as a resource with a name, a
// socket and its devices. How the kubelet comes to know them is not its business.

import { execFile } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { HostPaths } from '../lib/names.ts';
import { allocate } from './allocation.ts';
import { DeviceInfoFiles } from './device-info.ts';
import { isVacant } from './pod-directory.ts';
import { DevicePool } from './pool.ts';
import type { OfferedPool } from './server.ts';
import { sliceIds, slicePoolName } from './slice-allocation.ts';
import { removeOtherPools, type SliceKind } from './slice-directory.ts';
import { SlicePool, type SlicePoolDeps } from './slice-pool.ts';

/** A pool of memory slices; lib/config/agent.ts describes the fields. */
export interface DevicePluginSlices {
  readonly kind: SliceKind;
  readonly sizeMi: number;
  readonly count: number;
  readonly directory?: string | undefined;
  readonly numaNodes: readonly number[];
}

/** The part of the agent's configuration that is the device plugin's. */
export interface DevicePluginConfig {
  readonly root: string;
  /** Number of devices. */
  readonly ports: number;
  /** Dealt out to the ports in turn. */
  readonly portNumaNodes: readonly number[];
  /** Of the ports; the slices' names have the same domain. */
  readonly resourceName: string;
  readonly slices: readonly DevicePluginSlices[];
  readonly registration: 'kubelet-socket' | 'plugin-watcher';
  /** Undefined: the agent's own. */
  readonly podDirUid?: number | undefined;
  readonly podDirGid?: number | undefined;
  readonly podDirMode: number;
  /** Host path of the tun device node that containers get as /dev/net/tun. */
  readonly tunDevice: string;
}

/** By default programs and memory are the machine's. */
export interface OfferDeps extends Partial<Omit<SlicePoolDeps, 'log'>> {
  readonly log: Logger;
}

/** One resource. */
export interface Offer extends OfferedPool {
  readonly resourceName: string;
  /** Base name of its socket. */
  readonly endpoint: string;
  /** What only the owner of the socket may do; before the kubelet can ask, each time the socket is made. */
  prepare(): void;
  close(): Promise<void> | void;
}

/** The ports of the node. */
export function offerPorts(config: DevicePluginConfig, paths: HostPaths, log: Logger): Offer {
  const { resourceName, tunDevice } = config;
  const pool = new DevicePool({ prefix: 'port-', count: config.ports, numaNodes: config.portNumaNodes });
  const owner = { uid: config.podDirUid, gid: config.podDirGid, mode: config.podDirMode };
  const slices = config.slices.flatMap(sliceIds);
  const options = { pool, resourceName, paths, owner, slices, tunDevice, log };
  const info = new DeviceInfoFiles({ directory: paths.deviceInfoDir, resourceName, pool, log });
  return {
    resourceName,
    endpoint: basename(paths.pluginSocket),
    pool,
    allocate: (containers) => allocate(containers, options),
    isVacant: (id) => isVacant(paths, id),
    prepare: () => info.write(),
    close: () => info.remove(),
  };
}

/** One pool of memory slices, of the ports' domain: `usvhost.io/shm-64Mi`. */
export function offerSlices(
  slices: DevicePluginSlices,
  config: DevicePluginConfig,
  paths: HostPaths,
  deps: OfferDeps,
): Offer {
  const name = slicePoolName(slices);
  const resourceName = `${dirname(config.resourceName)}/${name}`;
  const pool = new SlicePool({ ...slices, ...slicePlace(slices, paths) }, resourceName, {
    log: deps.log,
    run: deps.run ?? promisify(execFile),
    availableBytes: deps.availableBytes ?? (() => process.availableMemory()),
  });
  return {
    resourceName,
    endpoint: `usvhost-${name}.sock`,
    pool: pool.devices,
    allocate: (containers) => pool.allocate(containers),
    isVacant: (id) => pool.isFresh(id),
    prepare: () => pool.start(),
    close: () => pool.close(),
  };
}

/** Slices lie in a directory of their pool, below ours; a directory of the configuration gets one of ours first. */
function slicePlace(
  slices: DevicePluginSlices,
  paths: HostPaths,
): { readonly base: string; readonly below: readonly string[] } {
  const name = slicePoolName(slices);
  const directory = slices.directory ?? (slices.kind === 'hugepages' ? '/dev/hugepages' : undefined);
  if (directory !== undefined) return { base: directory, below: ['usvhost', name] };
  return { base: paths.runDir, below: [basename(paths.memDir), name] };
}

/** Removes slices of pools that are configured no more, where this configuration has slices or would by default. */
export function removeOldSlices(config: DevicePluginConfig, paths: HostPaths, log: Logger): void {
  const kept = new Map<string, Set<string>>([[paths.memDir, new Set()]]);
  for (const slices of config.slices) {
    const { base, below } = slicePlace(slices, paths);
    const directory = join(base, ...below, '..');
    kept.set(directory, (kept.get(directory) ?? new Set()).add(slicePoolName(slices)));
  }
  for (const [directory, names] of kept) {
    try {
      const removed = removeOtherPools(directory, names);
      if (removed.length > 0) log.info({ directory, removed }, 'slices of old pools are removed');
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      log.warn({ code: error.code }, error.message);
    }
  }
}
