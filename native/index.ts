// SPDX-License-Identifier: Apache-2.0
//
// The TypeScript side of the border to native code: loads the addon, gives its classes types, and hands it the error
// class. Everything that reaches the addon has been validated. Frames pass here only for a
// handler of a user, in bursts and by shared memory.

import { createRequire } from 'node:module';
import { isErrorCode, UsvhostError, usvFailure } from '../lib/errors.ts';

/** What data threads do when nothing is to be done: poll on, poll for idleMicros and sleep, or sleep at once. */
export type PollMode = 'poll' | 'adaptive' | 'interrupt';

export interface SwitchOptions {
  readonly cpus: readonly number[];
  readonly statsFile: string;
  readonly maxPorts: number;
  readonly macTableSize: number;
  readonly macAgeSeconds: number;
  readonly idleMicros: number;
  readonly pollMode: PollMode;
  readonly handshakeMillis: number;
}

export interface SwitchPortOptions {
  readonly name: string;
  /** Ports of one network reach each other and nobody else. */
  readonly network: string;
  /** False: the switch listens at the socket; true: the pod does, and the switch connects and goes on trying. */
  readonly connect: boolean;
  readonly socketPath: string;
  /** Mode and owner of the listening socket; without meaning with `connect`. */
  readonly socketMode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** `02:00:00:00:00:01`; without it the port has no address of its own and learns. */
  readonly mac?: string;
  readonly mtu: number;
}

export interface SwitchPortStatus {
  readonly name: string;
  readonly socketPath: string;
  /** Without a front-end: `listening` or `connecting`, by who listens. */
  readonly state: 'listening' | 'connecting' | 'handshake' | 'up';
  /** Virtio features of the connection, 0n without one. */
  readonly features: bigint;
  /** Empty, or `CODE: text` of the last failure. */
  readonly lastError: string;
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
}

export interface SwitchEvent {
  readonly port: string;
  readonly state: SwitchPortStatus['state'];
  readonly reason: string;
}

export interface DriverPortOptions {
  readonly name: string;
  /** The back-end's socket, or the one we make. */
  readonly path: string;
  readonly queueSize: number;
  /** 1 to 8, the same for two ports; a back-end may have fewer. */
  readonly queuePairs: number;
  /** We listen at the path and the back-end connects. */
  readonly server: boolean;
  readonly offers: DriverOffers;
  /**
   * Whether the back-end's MAC address is asked for. Engines use it in place of their own; with `required` there is no link to
   * a back-end that has none. Default: `ignored`.
   */
  readonly backEndMac?: 'ignored' | 'used' | 'required';
}

/** What the driver offers a back-end, which need not take it. */
export interface DriverOffers {
  /** Packed rings, of any size (VIRTIO_F_RING_PACKED); without the back-end's consent the rings are split. */
  readonly packed: boolean;
  /** Buffers are used in the order in which they were made available (VIRTIO_F_IN_ORDER). */
  readonly inOrder: boolean;
  /** A received frame may take several buffers (VIRTIO_NET_F_MRG_RXBUF). */
  readonly mergeable: boolean;
  /** A sent frame of several buffers takes one entry of the ring (VIRTIO_F_INDIRECT_DESC). */
  readonly indirect: boolean;
  /** Notifications are asked for by index (VIRTIO_F_EVENT_IDX). */
  readonly eventIndex: boolean;
}

/** Of a driver whose frames fit one buffer. */
export const usualOffers: DriverOffers = {
  packed: false,
  inOrder: true,
  mergeable: false,
  indirect: true,
  eventIndex: false,
};

/** Addresses as text; IPv4 only where an IP address is named. */
export type EngineOptions =
  | { readonly kind: 'l2fwd'; readonly mode: 'swap' }
  | {
      readonly kind: 'l2fwd';
      readonly mode: 'rewrite';
      readonly sourceMac: string;
      readonly destinationMac: string;
    }
  | {
      readonly kind: 'txonly' | 'rxonly';
      readonly size: number;
      /** Frames to send, 0 without end. */
      readonly limit: number;
      readonly verify: boolean;
      readonly running: boolean;
      readonly sourceMac: string;
      readonly destinationMac: string;
    }
  | { readonly kind: 'responder'; readonly mac: string; readonly ip: string }
  | {
      readonly kind: 'ping';
      readonly mac: string;
      readonly source: string;
      readonly destination: string;
      readonly count: number;
      readonly intervalMillis: number;
      readonly timeoutMillis: number;
    }
  | { readonly kind: 'handler' }
  | {
      readonly kind: 'tap';
      readonly device: string;
      readonly node: string;
      /** Whether the tap was made with several queues. */
      readonly multiQueue: boolean;
      /** Checksums and segmentation are offered to the back-end, and asked of the kernel once it has agreed. */
      readonly offloads: boolean;
    };

export interface DataplaneOptions {
  readonly ports: readonly DriverPortOptions[];
  readonly engine: EngineOptions;
  /** `place`: of shm and hugetlbfs a directory, of file the file itself. */
  readonly memory: { readonly kind: 'memfd' | 'shm' | 'hugetlbfs' | 'file'; readonly place: string };
  /** Packet buffers; 0: as many as the rings need. */
  readonly buffers: number;
  /** CPUs of the data threads, one thread each; empty: a thread for each queue pair, not pinned. */
  readonly cpus: readonly number[];
  readonly idleMicros: number;
  readonly pollMode: PollMode;
  readonly backoffMinMillis: number;
  readonly backoffMaxMillis: number;
  readonly handshakeMillis: number;
}

export interface LinkEvent {
  readonly port: string;
  readonly up: boolean;
  /** Empty when up, else `CODE: text`. */
  readonly reason: string;
  readonly features: bigint;
  /** Negotiated; 0 when down. */
  readonly queuePairs: number;
  /** Largest payload of a frame by the back-end's word; 0 when it said nothing, or down. */
  readonly mtu: number;
  /** The back-end's address for us; empty when it has none or was not asked, or down. */
  readonly mac: string;
}

export interface DataplaneReport {
  readonly ports: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly engine: Readonly<Record<string, number>>;
}

/** Where bursts lie in the memory of a NativeFrameConsumer; all in bytes but the first two. */
export interface BurstLayout {
  readonly bursts: number;
  /** Places for frames in a burst. */
  readonly frames: number;
  /** Of a frame. */
  readonly capacity: number;
  /** Of the words of one burst; those of the first one are at 0. */
  readonly wordsBytes: number;
  /** In the words: one of 32 bits each for count and port, one a frame for length and verdict. */
  readonly countOffset: number;
  readonly portOffset: number;
  readonly lengthOffset: number;
  readonly verdictOffset: number;
  /** Of the first frame of the first burst. */
  readonly framesOffset: number;
  readonly frameStride: number;
}

interface AddonSwitch {
  addPort(options: object): void;
  removePort(name: string): boolean;
  ports(): SwitchPortStatus[];
  sleeps(): number;
  close(): void;
}

interface AddonDataplane {
  report(): DataplaneReport;
  exchange(): number;
  setRunning(running: boolean): void;
  setQueuePairs(pairs: number): void;
  close(): void;
}

interface AddonFrameConsumer {
  take(): number;
  give(failed: boolean): void;
  memory(): ArrayBuffer;
  layout(): BurstLayout;
  close(): void;
}

interface Addon {
  setErrorFactory(factory: (code: string, text: string) => Error): void;
  readonly NativeSwitch: new (options: object, onEvent: (event: SwitchEvent) => void) => AddonSwitch;
  readonly NativeDataplane: new (options: object, onEvent: (event: LinkEvent) => void) => AddonDataplane;
  readonly NativeFrameConsumer: new (exchange: number, onFrames: () => void) => AddonFrameConsumer;
}

const addonPath = new URL('../build/native/usvhost.node', import.meta.url).pathname;
let loaded: Addon | undefined;

function addon(): Addon {
  if (loaded !== undefined) return loaded;
  let fresh: Addon;
  try {
    fresh = createRequire(import.meta.url)(addonPath) as Addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw usvFailure('USV_NATIVE_BUILD', `${addonPath} cannot be loaded: ${reason}`, { cause });
  }
  fresh.setErrorFactory((code, text) => new UsvhostError(isErrorCode(code) ? code : 'USV_INTERNAL', text));
  loaded = fresh;
  return fresh;
}

/** The number that native code works with: first byte on the wire lowest; 48 bits fit a double exactly. */
function macNumber(mac: string): number {
  return mac.split(':').reduce((sum, byte, index) => sum + Number.parseInt(byte, 16) * 256 ** index, 0);
}

function ipNumber(ip: string): number {
  return ip.split('.').reduce((sum, byte, index) => sum + Number(byte) * 256 ** index, 0);
}

function nativeEngine(engine: EngineOptions): object {
  switch (engine.kind) {
    case 'l2fwd':
      return engine.mode === 'swap'
        ? { ...engine, sourceMac: 0, destinationMac: 0 }
        : {
            ...engine,
            sourceMac: macNumber(engine.sourceMac),
            destinationMac: macNumber(engine.destinationMac),
          };
    case 'txonly':
    case 'rxonly':
      return {
        ...engine,
        sourceMac: macNumber(engine.sourceMac),
        destinationMac: macNumber(engine.destinationMac),
      };
    case 'responder':
      return { ...engine, mac: macNumber(engine.mac), ip: ipNumber(engine.ip) };
    case 'ping':
      return {
        ...engine,
        mac: macNumber(engine.mac),
        source: ipNumber(engine.source),
        destination: ipNumber(engine.destination),
      };
    case 'handler':
    case 'tap':
      return engine;
  }
}

/** A running vhost switch: data threads, control thread, statistics file. */
export class NativeSwitch {
  readonly #native: AddonSwitch;

  /**
   * Starts the threads and creates the statistics file.
   * @throws UsvhostError USV_NATIVE_BUILD, USV_CONFIG (a CPU that cannot be used), USV_IO
   */
  constructor(options: SwitchOptions, onEvent: (event: SwitchEvent) => void) {
    this.#native = new (addon().NativeSwitch)(options, onEvent);
  }

  /** Makes a port for one front-end. @throws UsvhostError USV_PORT_OCCUPIED, USV_SOCKET_PATH, USV_CONFIG, USV_IO */
  addPort(options: SwitchPortOptions): void {
    const { mac, ...rest } = options;
    this.#native.addPort(mac === undefined ? rest : { ...rest, mac: macNumber(mac) });
  }

  /** Ends the port's connection and removes its socket; false when there is no such port. */
  removePort(name: string): boolean {
    return this.#native.removePort(name);
  }

  ports(): SwitchPortStatus[] {
    return this.#native.ports();
  }

  /** How often data threads have gone to sleep. */
  sleeps(): number {
    return this.#native.sleeps();
  }

  /** Ends all threads and ports. Idempotent. */
  close(): void {
    this.#native.close();
  }
}

/** A running dataplane: one or two ports and the engine on them. */
export class NativeDataplane {
  readonly #native: AddonDataplane;

  /** @throws UsvhostError USV_NATIVE_BUILD, USV_CONFIG, USV_MEMORY, USV_TAP, USV_IO */
  constructor(options: DataplaneOptions, onEvent: (event: LinkEvent) => void) {
    this.#native = new (addon().NativeDataplane)(
      {
        ...options,
        ports: options.ports.map((port) => ({ backEndMac: 'ignored', ...port })),
        engine: nativeEngine(options.engine),
      },
      onEvent,
    );
  }

  /** Counters of the ports and numbers of the engine, as of now. */
  report(): DataplaneReport {
    return this.#native.report();
  }

  /** Of engine handler: the number by which a NativeFrameConsumer of any thread finds it. */
  exchange(): number {
    return this.#native.exchange();
  }

  /** Starts or stops the sending of an engine that makes traffic of its own. */
  setRunning(running: boolean): void {
    this.#native.setRunning(running);
  }

  /**
   * Has the first `pairs` queue pairs of each port carry frames and the others rest, at least one and at most what the
   * link has. At any time; it holds for later links too.
   */
  setQueuePairs(pairs: number): void {
    this.#native.setQueuePairs(pairs);
  }

  /** Ends all threads and connections. Idempotent. */
  close(): void {
    this.#native.close();
  }
}

/** The handler's end of a dataplane with engine handler; one at a time, in any thread of the process. */
export class NativeFrameConsumer {
  readonly #native: AddonFrameConsumer;
  readonly memory: ArrayBuffer;
  readonly layout: BurstLayout;

  /**
   * `onFrames` is called when there are bursts again after take() has found none.
   * @throws UsvhostError USV_NATIVE_BUILD, USV_INTERNAL (no such exchange, or it has a consumer)
   */
  constructor(exchange: number, onFrames: () => void) {
    this.#native = new (addon().NativeFrameConsumer)(exchange, onFrames);
    this.memory = this.#native.memory();
    this.layout = this.#native.layout();
  }

  /** The oldest burst without a decision, or -1. */
  take(): number {
    return this.#native.take();
  }

  /** Decides on the burst of the last take(): by its words, or, `failed`, all its frames are dropped. */
  give(failed: boolean): void {
    this.#native.give(failed);
  }

  /** No more bursts. Idempotent. */
  close(): void {
    this.#native.close();
  }
}
