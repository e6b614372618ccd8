// SPDX-License-Identifier: Apache-2.0
//
// What a container gets for its ports: one directory at /var/run/usvhost, the tun device, and variables and an
// annotation that say so. All or nothing: when one container of a request cannot be served, the others' directories are taken back.
// Device plugin API v1beta1, Allocate. It must never learn which pod asks: the API does not say.

import { statSync } from 'node:fs';
import type { Logger } from '../lib/log.ts';
import { type HostPaths, podMountPath } from '../lib/names.ts';
import type { ContainerAllocateResponse } from '../proto/gen/v1beta1/ContainerAllocateResponse.ts';
import { linkPodDirectory, makePodDirectory, type PodDirectoryOwner } from './pod-directory.ts';
import type { DevicePool } from './pool.ts';

const containerTun = '/dev/net/tun';

/** Version of the variables and annotations that Allocate gives; it changes when the meaning of one changes. */
export const contractVersion = '1';

export interface AllocationOptions {
  readonly pool: DevicePool;
  /** Extended resource of the pool; the annotation's key. */
  readonly resourceName: string;
  readonly paths: Pick<HostPaths, 'podsDir' | 'podDir'>;
  readonly owner: PodDirectoryOwner;
  /** Ids of all memory slices of the node: the API does not say which of them the container gets. */
  readonly slices: readonly string[];
  /** Host path of the tun device node; where there is none, containers get none and only socket endpoints work. */
  readonly tunDevice: string;
  readonly log: Logger;
}

/**
 * Serves one Allocate request: `containers` are the device ids of each container.
 * Throws USV_DEVICE_UNKNOWN, USV_PORT_OCCUPIED, USV_IO, and USV_USAGE for a container without a device.
 */
export function allocate(
  containers: readonly (readonly string[])[],
  options: AllocationOptions,
): ContainerAllocateResponse[] {
  const plans = containers.map((ids) => {
    const devices = options.pool.ofContainer(ids);
    return { lead: devices[0], devices };
  });
  const undo: (() => void)[] = [];
  try {
    for (const { lead, devices } of plans) {
      undo.push(makePodDirectory(options.paths, lead, options.owner, options.slices));
      for (const device of devices) {
        if (device !== lead) undo.push(linkPodDirectory(options.paths, device, lead));
      }
    }
  } catch (error) {
    takeBack(undo, options.log);
    throw error;
  }
  const tun = tunExists(options.tunDevice);
  if (!tun)
    options.log.warn(
      { code: 'USV_TAP', device: options.tunDevice },
      'no tun device on this node: containers get none',
    );
  return plans.map(({ lead, devices }) => respond(options, lead, devices, tun));
}

function takeBack(undo: readonly (() => void)[], log: Logger): void {
  for (const step of undo.toReversed()) {
    try {
      step();
    } catch (error) {
      log.error({ code: 'USV_IO', err: error }, 'cannot take back what a failed Allocate made');
    }
  }
}

function tunExists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isCharacterDevice() ?? false;
}

function respond(
  options: AllocationOptions,
  lead: string,
  devices: readonly string[],
  tun: boolean,
): ContainerAllocateResponse {
  return {
    envs: {
      USVHOST_CONTRACT: contractVersion,
      USVHOST_DIR: podMountPath,
      USVHOST_DEVICES: devices.join(','),
    },
    // Read-only: it lies on the node's /run, which a pod could fill. Ports are mounts of their own in it.
    mounts: [{ container_path: podMountPath, host_path: options.paths.podDir(lead), read_only: true }],
    devices: tun ? [{ container_path: containerTun, host_path: options.tunDevice, permissions: 'rw' }] : [],
    annotations: { [options.resourceName]: devices.join(',') },
  };
}
