// SPDX-License-Identifier: Apache-2.0
//
// The agent's client of the switch: the calls of the CNI verbs, each with a deadline, and the stream the port keeper
// reads. It keeps no state about ports.

import {
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
  type requestCallback,
} from '@grpc/grpc-js';
import type { SwitchPorts, WantedPort } from '../cni/call.ts';
import { usvFailure } from '../lib/errors.ts';
import { unary } from '../proto/call.ts';
import type { ListPortsResponse__Output } from '../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { PortEvent__Output } from '../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { RemovePortResponse__Output } from '../proto/gen/usvhost/switch/v1/RemovePortResponse.ts';
import { Switch } from '../proto/load.ts';
import type { Peer } from '../proto/status.ts';
import { dial } from '../proto/unix.ts';

/** The pod's end may run as any user; the directory decides who reaches the socket, or may make it. */
const modes = { client: 0o666, server: 0o777 } as const;
/** What the switch does when the pod has a role. */
const switchRoles = { client: 'listen', server: 'connect' } as const;

/** Longer than the longest pause of proto/unix.ts between two attempts to connect. */
const connectMillis = 250;

export interface SwitchClientOptions {
  readonly socketPath: string;
  /** Longest wait for an answer. Default 5000. */
  readonly deadlineMillis?: number;
}

export class SwitchClient implements SwitchPorts {
  readonly #client: InstanceType<typeof Switch>;
  readonly #peer: Peer;
  readonly #deadlineMillis: number;

  constructor(options: SwitchClientOptions) {
    this.#client = dial(Switch, options.socketPath);
    this.#peer = { peer: `the switch at ${options.socketPath}`, unreachable: 'USV_SWITCH_UNREACHABLE' };
    this.#deadlineMillis = options.deadlineMillis ?? 5000;
  }

  async addPort({ name, mac, mtu, podRole }: WantedPort): Promise<void> {
    const spec = { name, mac, mtu, socket_mode: modes[podRole], role: switchRoles[podRole] };
    await this.#call((deadline, done) => this.#client.AddPort(spec, { deadline }, done));
  }

  async removePort(name: string): Promise<boolean> {
    const { removed } = await this.#call<RemovePortResponse__Output>((deadline, done) =>
      this.#client.RemovePort({ name }, { deadline }, done),
    );
    return removed;
  }

  async hasPort({ name, mac, mtu, podRole }: WantedPort): Promise<boolean> {
    const ports = await this.#list();
    const role = switchRoles[podRole];
    return ports.some(
      ({ spec }) => spec?.name === name && spec.mac === mac && spec.mtu === mtu && spec.role === role,
    );
  }

  async ping(): Promise<void> {
    await this.#list();
  }

  /** Opens the stream of port events; it waits for a switch that is not there yet. */
  watch(): ClientReadableStream<PortEvent__Output> {
    return this.#client.WatchPorts({}, new Metadata({ waitForReady: true }));
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
      this.#client.waitForReady(new Date(Date.now() + connectMillis), (cause) => {
        if (cause === undefined || cause === null) resolve();
        else reject(usvFailure(this.#peer.unreachable, `${this.#peer.peer} does not answer`, { cause }));
      });
    });
  }
}
