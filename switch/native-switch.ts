// SPDX-License-Identifier: Apache-2.0
//
// What the control side needs of the data plane. The native addon provides it; a test may provide another that really
// listens. Nothing here may know how packets move.

/** How one data plane is made. `cpus` empty means one thread that the scheduler places. */
export interface NativeSwitchOptions {
  readonly cpus: readonly number[];
  readonly statsFile: string;
  readonly maxPorts: number;
  readonly macTableSize: number;
  readonly macAgeSeconds: number;
  readonly idleMicros: number;
  readonly handshakeMillis: number;
}

export interface NativePortOptions {
  readonly name: string;
  readonly socketPath: string;
  readonly socketMode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mac?: string;
  readonly mtu: number;
}

/** `listening`: no front-end; `handshake`: connected, rings not ready; `up`: packets flow. */
export type PortState = 'listening' | 'handshake' | 'up';

export interface NativePortStatus {
  readonly name: string;
  readonly socketPath: string;
  readonly state: PortState;
  readonly features: bigint;
  /** Empty, or `<USV code>: text`. */
  readonly lastError: string;
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
}

export interface NativeSwitchEvent {
  readonly port: string;
  readonly state: PortState;
  readonly reason: string;
}

/** The data plane. `addPort` throws when the socket cannot be made; everything else only fails by a fault. */
export interface NativeSwitchLike {
  addPort(options: NativePortOptions): void;
  /** Closes the port and removes its socket file; false when there is no such port. */
  removePort(name: string): boolean;
  ports(): readonly NativePortStatus[];
  close(): void;
}

/** Makes the data plane; `onEvent` is called on the main thread, never from within a call of ours. */
export type CreateNative = (
  options: NativeSwitchOptions,
  onEvent: (event: NativeSwitchEvent) => void,
) => NativeSwitchLike;
