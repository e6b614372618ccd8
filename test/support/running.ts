// SPDX-License-Identifier: Apache-2.0
//
// Our switch and our driver inside this process, with their events as promises: what interop tests and benchmarks run
// beside other implementations.

import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import {
  type DataplaneOptions,
  type DriverOffers,
  type EngineOptions,
  type LinkEvent,
  NativeDataplane,
  NativeSwitch,
  type SwitchEvent,
  type SwitchPortStatus,
  usualOffers,
} from '../../native/index.ts';

const upMillis = 20_000;

/** Resolves with the first accepted event. @throws UsvhostError USV_HANDSHAKE when none comes in time */
async function firstEvent<Event>(
  events: EventEmitter<{ event: [Event] }>,
  accept: (event: Event) => boolean,
  what: string,
): Promise<Event> {
  const { promise, resolve, reject } = Promise.withResolvers<Event>();
  const look = (event: Event): void => {
    if (accept(event)) resolve(event);
  };
  events.on('event', look);
  // Events of native code keep no process alive; this timer does.
  const late = (): void => reject(usvFailure('USV_HANDSHAKE', `expected ${what} within ${upMillis} ms`));
  const timer = setTimeout(late, upMillis);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    events.off('event', look);
  }
}

/** Sum of the counters that name a loss. */
export function drops(counters: Readonly<Record<string, number>>): Record<string, number> {
  const lost = Object.entries(counters).filter(
    ([name, value]) => (name.includes('_drop_') || name === 'tx_lost') && value !== 0,
  );
  return Object.fromEntries(lost);
}

export interface SwitchPortOptions {
  /** Somebody else listens at the socket, and the switch connects. Default false. */
  readonly connect?: boolean;
  /** Default 1500. */
  readonly mtu?: number;
  /** Default: that of all ports without one. */
  readonly network?: string;
}

export class RunningSwitch {
  readonly #native: NativeSwitch;
  readonly #directory: string;
  readonly #events = new EventEmitter<{ event: [SwitchEvent] }>();

  /** `directory` takes sockets and statistics; `cpu`: not pinned unless given; `maxPorts`: default 8. */
  constructor(options: { readonly directory: string; readonly cpu?: number; readonly maxPorts?: number }) {
    this.#directory = options.directory;
    this.#native = new NativeSwitch(
      {
        cpus: options.cpu === undefined ? [] : [options.cpu],
        statsFile: join(options.directory, 'stats'),
        maxPorts: options.maxPorts ?? 8,
        macTableSize: 1024,
        macAgeSeconds: 300,
        idleMicros: 50,
        pollMode: 'adaptive',
        handshakeMillis: 5000,
      },
      (event) => this.#events.emit('event', event),
    );
  }

  socket(name: string): string {
    return join(this.#directory, `${name}.sock`);
  }

  /** Returns the port's socket. */
  addPort(name: string, options: SwitchPortOptions = {}): string {
    const { connect = false, mtu = 1500, network = '' } = options;
    const socketPath = this.socket(name);
    this.#native.addPort({ name, network, connect, socketPath, socketMode: 0o600, mtu });
    return socketPath;
  }

  removePort(name: string): void {
    this.#native.removePort(name);
  }

  port(name: string): SwitchPortStatus {
    const found = this.#native.ports().find((port) => port.name === name);
    if (found === undefined) throw usvFailure('USV_INTERNAL', `no port ${name}`);
    return found;
  }

  async until(name: string, state: SwitchPortStatus['state']): Promise<void> {
    // Events are delivered by the loop, so none is missed between this look and the next line.
    if (this.port(name).state === state) return;
    const accept = (event: SwitchEvent): boolean => event.port === name && event.state === state;
    await firstEvent(this.#events, accept, `port ${name} ${state}`);
  }

  close(): void {
    this.#native.close();
  }
}

export interface DriverOptions {
  readonly path: string;
  /** We listen at the path. */
  readonly server?: boolean;
  readonly queueSize: number;
  /** Default: 1. */
  readonly queuePairs?: number;
  /** Others than a dataplane's defaults for frames of one buffer. */
  readonly offers?: Partial<DriverOffers>;
  readonly engine: EngineOptions;
  readonly cpu?: number;
}

/** A dataplane with one port. */
export class RunningDriver {
  readonly #native: NativeDataplane;
  readonly #events = new EventEmitter<{ event: [LinkEvent] }>();
  #last: LinkEvent | undefined;
  /** How often the link has come up. */
  linksUp = 0;

  constructor(options: DriverOptions) {
    const native: DataplaneOptions = {
      ports: [
        {
          name: 'port',
          path: options.path,
          queueSize: options.queueSize,
          queuePairs: options.queuePairs ?? 1,
          server: options.server ?? false,
          offers: { ...usualOffers, ...options.offers },
        },
      ],
      engine: options.engine,
      memory: { kind: 'memfd', place: '' },
      buffers: 0,
      cpus: options.cpu === undefined ? [] : [options.cpu],
      idleMicros: 50,
      pollMode: 'adaptive',
      backoffMinMillis: 10,
      backoffMaxMillis: 100,
      handshakeMillis: 5000,
    };
    this.#native = new NativeDataplane(native, (event) => {
      this.#last = event;
      if (event.up) this.linksUp++;
      this.#events.emit('event', event);
    });
  }

  /** What was negotiated when the link last came up. */
  get features(): bigint {
    return this.#last?.features ?? 0n;
  }

  /** In use by the link, 0 without one. */
  get queuePairs(): number {
    return this.#last?.queuePairs ?? 0;
  }

  async linkUp(): Promise<void> {
    if (this.#last?.up !== true) await firstEvent(this.#events, ({ up }) => up, 'the link up');
  }

  async linkDown(): Promise<void> {
    if (this.#last?.up !== false) await firstEvent(this.#events, ({ up }) => !up, 'the link down');
  }

  setRunning(running: boolean): void {
    this.#native.setRunning(running);
  }

  /** How many pairs carry frames from now on. */
  setQueuePairs(pairs: number): void {
    this.#native.setQueuePairs(pairs);
  }

  /** A number of the engine, 0 when it has none of that name. */
  metric(name: string): number {
    return this.#native.report().engine[name] ?? 0;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#native.report().ports['port'] ?? {};
  }

  close(): void {
    this.#native.close();
  }
}
