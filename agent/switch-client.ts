// SPDX-License-Identifier: Apache-2.0
//
// The agent's client of the switch: the calls of the CNI verbs, each with a deadline, and the stream the port keeper
// reads. It keeps no state about ports.

import { type ClientUnaryCall, Metadata, type requestCallback } from '@grpc/grpc-js';
import { portSocketMode, type SwitchPort, type WantedPort } from '../cni/call.ts';
import { type PortAbilities, usvhostAbilities } from '../cni/port-options.ts';
import { usvError, usvFailure } from '../lib/errors.ts';
import { unary } from '../proto/call.ts';
import type { ListPortsResponse__Output } from '../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { Port__Output } from '../proto/gen/usvhost/switch/v1/Port.ts';
import type { PortEvent__Output } from '../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { RemovePortResponse__Output } from '../proto/gen/usvhost/switch/v1/RemovePortResponse.ts';
import type { StatsResponse__Output } from '../proto/gen/usvhost/switch/v1/StatsResponse.ts';
import { Switch } from '../proto/load.ts';
import type { Peer } from '../proto/status.ts';
import { dial } from '../proto/unix.ts';
import type { NodeSwitch, PortCounters, PresenceListener } from './node-switch.ts';

/** The pod's end may run as any user; the directory decides who reaches the socket, or may make it. */
const modes = { client: portSocketMode, server: 0o777 } as const;
/** What the switch does when the pod has a role. */
const switchRoles = { client: 'listen', server: 'connect' } as const;

export interface SwitchClientOptions {
  readonly socketPath: string;
  /** Longest wait for an answer. Default 5000. */
  readonly deadlineMillis?: number;
  /** Longest wait for a connection. Default 250, longer than the longest pause of proto/unix.ts between two attempts. */
  readonly connectMillis?: number;
}

export class SwitchClient implements NodeSwitch {
  readonly abilities: PortAbilities = usvhostAbilities;
  readonly #client: InstanceType<typeof Switch>;
  readonly #peer: Peer;
  readonly #deadlineMillis: number;
  readonly #connectMillis: number;

  constructor(options: SwitchClientOptions) {
    this.#client = dial(Switch, options.socketPath);
    this.#peer = { peer: `the switch at ${options.socketPath}`, unreachable: 'USV_SWITCH_UNREACHABLE' };
    this.#deadlineMillis = options.deadlineMillis ?? 5000;
    this.#connectMillis = options.connectMillis ?? 250;
  }

  async addPort({ name, network, mac, mtu, podRole, options }: WantedPort): Promise<void> {
    // Of a record that was made with another switch.
    if (options !== undefined) {
      const what = `the port ${name} of the switch usvhost`;
      throw usvError('USV_CNI_FIELD', { what, expected: 'no options', got: Object.keys(options).join(', ') });
    }
    const spec = { name, network, mac, mtu, socket_mode: modes[podRole], role: switchRoles[podRole] };
    const port = await this.#call<Port__Output>((deadline, done) =>
      this.#client.AddPort(spec, { deadline }, done),
    );
    // A switch that does not know networks has made a port that everybody on the node reaches.
    if (port.spec?.network === network) return;
    const what = `${this.#peer.peer} for the port ${name}`;
    throw usvError('USV_SWITCH_OLD', {
      what,
      expected: `one that knows networks (${network})`,
      got: 'a port without',
    });
  }

  async removePort(name: string): Promise<boolean> {
    const { removed } = await this.#call<RemovePortResponse__Output>((deadline, done) =>
      this.#client.RemovePort({ name }, { deadline }, done),
    );
    return removed;
  }

  async findPort(name: string): Promise<SwitchPort | undefined> {
    const port = (await this.#list()).find(({ spec }) => spec?.name === name);
    if (port?.spec === undefined || port.spec === null) return undefined;
    return {
      mac: port.spec.mac,
      mtu: port.spec.mtu,
      network: port.spec.network,
      podRole: port.spec.role === switchRoles.server ? 'server' : 'client',
      state: port.state,
      features: BigInt(port.features),
      connections: Number(port.connections),
      lastError: port.last_error,
    };
  }

  /** Names of all ports, those of other clients too. */
  async portNames(): Promise<string[]> {
    return (await this.#list()).map(({ spec }) => spec?.name ?? '');
  }

  async counters(): Promise<ReadonlyMap<string, PortCounters>> {
    const { ports } = await this.#call<StatsResponse__Output>((deadline, done) =>
      this.#client.Stats({}, { deadline }, done),
    );
    return new Map(Object.entries(ports).map(([port, { counters }]) => [port, counters]));
  }

  async ping(): Promise<void> {
    await this.#list();
  }

  /** Reads the stream of port events; it waits for a switch that is not there yet. */
  watch(listener: PresenceListener): { cancel(): void } {
    const stream = this.#client.WatchPorts({}, new Metadata({ waitForReady: true }));
    stream.on('data', ({ snapshot, changed, removed }: PortEvent__Output) => {
      if (snapshot)
        listener.present(new Map(snapshot.ports.map((port) => [port.spec?.name ?? '', port.state])));
      if (changed?.port) listener.changed(changed.port.spec?.name ?? '', changed.port.state, changed.reason);
      if (removed) listener.changed(removed, undefined);
    });
    // A broken stream says so by an error and then an end, or by either.
    stream.on('error', (error) => listener.lost(error));
    stream.on('end', () => listener.lost('the stream ended'));
    return stream;
  }

  close(): void {
    this.#client.close();
  }

  async #list(): Promise<ListPortsResponse__Output['ports']> {
    const { ports } = await this.#call<ListPortsResponse__Output>((deadline, done) =>
      this.#client.ListPorts({}, { deadline }, done),
    );
    return ports;
  }

  async #call<Response>(
    start: (deadline: Date, done: requestCallback<Response>) => ClientUnaryCall,
  ): Promise<Response> {
    await this.#connected();
    const deadline = new Date(Date.now() + this.#deadlineMillis);
    return unary<Response>((done) => start(deadline, done), this.#peer);
  }

  // gRPC fails calls at once while it pauses between two attempts to connect; a switch that has just come back deserves
  // one attempt more.
  #connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(new Date(Date.now() + this.#connectMillis), (cause) => {
        if (cause === undefined || cause === null) resolve();
        else reject(usvFailure(this.#peer.unreachable, `${this.#peer.peer} does not answer`, { cause }));
      });
    });
  }
}
