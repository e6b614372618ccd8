// SPDX-License-Identifier: Apache-2.0
//
// What every verb gets: the request of the shim, its hands, and the node's state. Interfaces only; the agent supplies
// the store and the switch.

import type { ErrorCode } from '../lib/errors.ts';
import type { AttachmentKey, AttachmentStore, PodRole } from './attachment.ts';
import type { AttachmentLog, CallLog } from './call-log.ts';
import type { CniVersion } from './config.ts';
import type { Command } from './environment.ts';
import type { KeyedQueue } from './keyed-queue.ts';
import type { PodIdentity } from './pod-identity.ts';
import type { PortAbilities, PortOptions } from './port-options.ts';
import type { Steps } from './session.ts';
import type { Behalf, ShimRequest } from './shim-protocol.ts';

/** A port as the attachment needs it. */
export interface WantedPort {
  readonly name: string;
  /** Name of the network it is to be in. */
  readonly network: string;
  readonly mac: string;
  readonly mtu: number;
  readonly podRole: PodRole;
  /** Only what the switch's abilities have. */
  readonly options?: PortOptions;
  /** Whose it is, for people who look at the switch. */
  readonly holder?: AttachmentKey & PodIdentity;
}

/** A port as the switch has it. */
export interface SwitchPort {
  readonly mac: string;
  readonly mtu: number;
  readonly podRole: PodRole;
  /** `listening` or `connecting`: no front-end; `handshake`; `up`: the front-end's rings run. */
  readonly state: string;
  /** Virtio feature bits that the front-end negotiated. */
  readonly features: bigint;
  /** Front-ends that have connected since the switch started. */
  readonly connections: number;
  /** Why the last connection ended, `<USV code>: text`; empty when there is nothing to say. */
  readonly lastError: string;
  /** Why the switch cannot work with the port, in its words; absent where it can. */
  readonly failure?: string;
  /** The network it is in, where the switch keeps networks apart. */
  readonly network?: string;
  /** Where the switch has VLANs and the port is in one. */
  readonly vlan?: number;
}

/** Mode of a port's socket: the pod's end may run as any user, and the directory decides who reaches the socket. */
export const portSocketMode = 0o666;

/** The switch as the verbs see it. Each call throws USV_SWITCH_UNREACHABLE when nobody answers in time. */
export interface SwitchPorts {
  readonly abilities: PortAbilities;
  /** Idempotent. Throws USV_PORT_OCCUPIED when the name or the MAC is in use otherwise, USV_SWITCH_OLD. */
  addPort(port: WantedPort): Promise<void>;
  /** True when there was such a port. */
  removePort(name: string): Promise<boolean>;
  /** The port as it is; undefined when the switch has none of that name. */
  findPort(name: string): Promise<SwitchPort | undefined>;
  /** Resolves when the switch answers. */
  ping(): Promise<void>;
}

/** How a call ended. */
export type CallResult = 'OK' | ErrorCode;

/** Told of each call that has ended. */
export interface CallObserver {
  /** `command`: as the runtime gave it. `seconds`: from the whole request to the answer. */
  ended(command: string | undefined, result: CallResult, seconds: number): void;
}

export interface CniDeps {
  readonly root: string;
  readonly store: AttachmentStore;
  readonly switchPorts: SwitchPorts;
  /** Device whose directory the pod has mounted, for a device that was allocated together with others. */
  readonly leadDevice: (device: string) => string;
  /**
   * Devices of usvhost.io/port that the containers of a pod hold, as the kubelet says (PodResources); empty for a pod that
   * holds none or is not known. Throws USV_KUBELET. Without it only a configuration can name a device.
   */
  readonly devicesOfPod?: (namespace: string, name: string) => Promise<readonly string[]>;
  /**
   * Makes the directories of a pod's devices again where one of `devices` has none, for a pod that the kubelet has kept over a boot.
   * Throws USV_KUBELET and what Allocate fails with. Without it such a pod has no port.
   */
  readonly restore?: (devices: readonly string[], namespace: string, name: string) => Promise<void>;
  /** Whether a network namespace is certainly gone. `living`: one of the same runtime that is there. */
  readonly isNamespaceGone: (path: string, living: string) => boolean;
  /** Orders the calls of one container, for a call that is about several. */
  readonly queue: Pick<KeyedQueue, 'run' | 'busy'>;
  readonly log: CallLog;
}

/** What a verb gets: its lines say which attachment it is about. */
export interface VerbDeps extends CniDeps {
  readonly log: AttachmentLog;
}

export interface Call {
  readonly command: Command;
  readonly request: ShimRequest;
  readonly input: Readonly<Record<string, unknown>>;
  readonly version: CniVersion;
  readonly steps: Steps;
  /** Set when the steps are lent by a call of another container; then the request has no CNI_NETNS. */
  readonly behalf?: Behalf;
  /** The CNI_PATH may be without the IPAM plugin, and that of a later call have it: then the call fails. */
  readonly patient?: boolean;
}
