// SPDX-License-Identifier: Apache-2.0
//
// The agent's client of the switch: the calls of the CNI verbs, each with a deadline, and the stream the port keeper
// reads. It keeps no state about ports.

import type { ClientReadableStream } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import type { SwitchPorts, WantedPort } from '../cni/call.ts';
import { unary } from '../proto/call.ts';
import type { ListPortsResponse__Output } from '../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { PortEvent__Output } from '../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { RemovePortResponse__Output } from '../proto/gen/usvhost/switch/v1/RemovePortResponse.ts';
import { Switch } from '../proto/load.ts';
import type { Peer } from '../proto/status.ts';
import { dial } from '../proto/unix.ts';

/** The pod's end may run as any user; the directory decides who reaches the socket. */
const socketMode = 0o666;

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

  async addPort({ name, mac, mtu }: WantedPort): Promise<void> {
    const spec = { name, mac, mtu, socket_mode: socketMode };
    await unary((done) => this.#client.AddPort(spec, this.#options(), done), this.#peer);
  }

  async removePort(name: string): Promise<boolean> {
    const response = await unary<RemovePortResponse__Output>((done) => this.#client.RemovePort({ name }, this.#options(), done), this.#peer);
    return response.removed;
  }

  async hasPort({ name, mac, mtu }: WantedPort): Promise<boolean> {
    const { ports } = await unary<ListPortsResponse__Output>((done) => this.#client.ListPorts({}, this.#options(), done), this.#peer);
    return ports.some(({ spec }) => spec?.name === name && spec.mac === mac && spec.mtu === mtu);
  }

  async ping(): Promise<void> {
    await unary((done) => this.#client.ListPorts({}, this.#options(), done), this.#peer);
  }

  /** Opens the stream of port events; it waits for a switch that is not there yet. */
  watch(): ClientReadableStream<PortEvent__Output> {
    return this.#client.WatchPorts({}, new Metadata({ waitForReady: true }));
  }

  close(): void {
    this.#client.close();
  }

  #options(): { deadline: Date } {
    return { deadline: new Date(Date.now() + this.#deadlineMillis) };
  }
}
