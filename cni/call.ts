// SPDX-License-Identifier: Apache-2.0
//
// What every verb gets: the request of the shim, its hands, and the node's state. Interfaces only; the agent supplies
// the store and the switch.

import type { AttachmentStore, PodRole } from './attachment.ts';
import type { CniVersion } from './config.ts';
import type { Command } from './environment.ts';
import type { Steps } from './session.ts';
import type { ShimRequest } from './shim-protocol.ts';

/** A port as the attachment needs it. */
export interface WantedPort {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly podRole: PodRole;
}

/** The switch as the verbs see it. Each call throws USV_SWITCH_UNREACHABLE when nobody answers in time. */
export interface SwitchPorts {
  /** Idempotent. Throws USV_PORT_OCCUPIED when the name or the MAC is in use otherwise. */
  addPort(port: WantedPort): Promise<void>;
  /** True when there was such a port. */
  removePort(name: string): Promise<boolean>;
  hasPort(port: WantedPort): Promise<boolean>;
  /** Resolves when the switch answers. */
  ping(): Promise<void>;
}

export interface CallLog {
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
}

export interface CniDeps {
  readonly root: string;
  readonly store: AttachmentStore;
  readonly switchPorts: SwitchPorts;
  /** Device whose directory the pod has mounted, for a device that was allocated together with others. */
  readonly leadDevice: (device: string) => string;
  readonly log: CallLog;
}

export interface Call {
  readonly command: Command;
  readonly request: ShimRequest;
  readonly input: Readonly<Record<string, unknown>>;
  readonly version: CniVersion;
  readonly steps: Steps;
}
