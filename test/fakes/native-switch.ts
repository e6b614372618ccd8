// SPDX-License-Identifier: Apache-2.0
//
// A data plane without packets: each port really listens on its unix socket and one front-end at a time may connect,
// which takes the port from `listening` to `up`; a port that connects stays `connecting`. For tests of the control side that
// must run without a compiler.

import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { SwitchEvent, SwitchOptions, SwitchPortOptions, SwitchPortStatus } from '../../native/index.ts';
import type { NativeSwitchLike } from '../../switch/native-switch.ts';

interface FakePort {
  readonly options: SwitchPortOptions;
  readonly server: Server;
  readonly peers: Set<Socket>;
  state: SwitchEvent['state'];
  connections: number;
}

export class FakeNativeSwitch implements NativeSwitchLike {
  readonly options: SwitchOptions;
  readonly #onEvent: (event: SwitchEvent) => void;
  readonly #ports = new Map<string, FakePort>();
  closed = false;

  /** When set, addPort throws it. */
  failure: Error | undefined;

  constructor(options: SwitchOptions, onEvent: (event: SwitchEvent) => void) {
    this.options = options;
    this.#onEvent = onEvent;
  }

  addPort(options: SwitchPortOptions): void {
    if (this.failure !== undefined) throw this.failure;
    const port: FakePort = {
      options,
      server: createServer(),
      peers: new Set(),
      state: options.connect ? 'connecting' : 'listening',
      connections: 0,
    };
    this.#ports.set(options.name, port);
    if (options.connect) return;
    port.server.on('connection', (peer) => this.#connected(port, peer));
    // As the real one does, listening is synchronous: the file is there when this returns.
    port.server.listen(options.socketPath);
    chmodSync(options.socketPath, options.socketMode);
  }

  #connected(port: FakePort, peer: Socket): void {
    if (port.peers.size > 0) {
      peer.destroy();
      return;
    }
    port.peers.add(peer);
    port.connections += 1;
    this.emit(port.options.name, 'up', 'front-end connected');
    peer.resume();
    peer.on('error', () => peer.destroy());
    peer.on('close', () => {
      port.peers.delete(peer);
      this.emit(port.options.name, 'listening', 'front-end closed the connection');
    });
  }

  /** Changes a port's state and tells of it; of a port that is gone too, as the last events of the real one may. */
  emit(name: string, state: SwitchEvent['state'], reason: string): void {
    const port = this.#ports.get(name);
    if (port !== undefined) port.state = state;
    this.#onEvent({ port: name, state, reason });
  }

  removePort(name: string): boolean {
    const port = this.#ports.get(name);
    if (port === undefined) return false;
    this.#ports.delete(name);
    port.server.close();
    if (!port.options.connect) rmSync(port.options.socketPath, { force: true });
    for (const peer of port.peers) peer.destroy();
    return true;
  }

  ports(): SwitchPortStatus[] {
    return [...this.#ports.values()].map(({ options, state, connections }) => ({
      name: options.name,
      socketPath: options.socketPath,
      state,
      features: 0x1_5000_0000n,
      lastError: '',
      connections,
      counters: { rxPackets: 0, txPackets: 0 },
    }));
  }

  close(): void {
    this.closed = true;
    for (const name of [...this.#ports.keys()]) this.removePort(name);
  }
}
