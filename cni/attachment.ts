// SPDX-License-Identifier: Apache-2.0
//
// An attachment: one interface of one container on one port. The record that outlives the call, the store that keeps it,
// and the names and paths that follow from it. The store itself is the agent's.

import { hostPaths, portName } from '../lib/names.ts';
import type { PodIdentity } from './pod-identity.ts';
import type { PortOptions } from './port-options.ts';

export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** `adding` and `deleting`: a call is under way or was cut; whatever the record names may exist or not. */
export type AttachmentState = 'adding' | 'ready' | 'deleting';

/** Who listens on the port's socket: the `server` does. The switch has the other role. */
export type PodRole = 'client' | 'server';

export interface Attachment extends AttachmentKey, PodIdentity {
  /** CNI_IFNAME of the ADD, by which the runtime knows it; not `ifname` where the configuration has `ifName`. */
  readonly runtimeIfname: string;
  readonly port: string;
  readonly device: string;
  readonly network: string;
  readonly netns: string;
  readonly mac: string;
  readonly mtu: number;
  readonly endpoint: 'tap' | 'socket';
  readonly podRole: PodRole;
  /** What the network asked of the switch besides; absent: nothing. */
  readonly portOptions?: PortOptions | undefined;
  readonly state: AttachmentState;
  /** Text of the configuration that the IPAM plugin got, for its DEL; null without IPAM. */
  readonly ipamConfig: string | null;
  /** Name of the file with its device information; null without one. */
  readonly deviceInfo: string | null;
}

export interface AttachmentStore {
  get(key: AttachmentKey): Attachment | undefined;
  /** Who holds this interface name of this device. */
  findByPlace(device: string, ifname: string): Attachment | undefined;
  /** Adds the record or replaces that of the same key. */
  put(attachment: Attachment): void;
  remove(key: AttachmentKey): void;
  list(): Attachment[];
  /** Remembers a port that must go when the switch can be reached again. */
  buryPort(port: string): void;
}

/** Paths of an attachment below the run directory, as the shim's steps take them. */
export interface AttachmentPaths {
  readonly portDir: string;
  readonly portJson: string;
  readonly portSocket: string;
  readonly podDir: string;
  readonly podPort: string;
}

export function attachmentPaths(port: string, device: string, ifname: string): AttachmentPaths {
  const paths = hostPaths('/');
  const below = (path: string): string => path.slice(paths.runDir.length + 1);
  return {
    portDir: below(paths.portDir(port)),
    portJson: `${below(paths.portDir(port))}/port.json`,
    portSocket: below(paths.portSocket(port)),
    podDir: below(paths.podDir(device)),
    podPort: below(paths.podPort(device, ifname)),
  };
}

/** Mark on a tap that tells it from taps of others. */
export function tapAlias(port: string): string {
  return `usvhost ${port}`;
}

export function attachmentPort({ containerId, ifname }: AttachmentKey): string {
  return portName(containerId, ifname);
}
