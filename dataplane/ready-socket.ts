// SPDX-License-Identifier: Apache-2.0
//
// Where a dataplane says that its links are up: a stream socket that answers `up` and closes, at once or when it becomes true.
// A hook or a probe waits there instead of asking again and again. Closing it is the caller's.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { usvFailure } from '../lib/errors.ts';

/** Of those who wait; whoever probes asks once at a time. */
const maxWaiting = 16;

export class ReadySocket {
  readonly #server: Server;
  readonly #waiting = new Set<Socket>();
  #up = false;

  private constructor() {
    this.#server = createServer((socket) => this.#ask(socket));
    this.#server.maxConnections = maxWaiting;
  }

  /**
   * `name`: a path, or `@name` for an abstract socket of this network namespace (unix(7)), which needs no directory and ends with
   * the process.
   * @throws UsvhostError USV_IO
   */
  static async listen(name: string): Promise<ReadySocket> {
    const ready = new ReadySocket();
    try {
      ready.#server.listen({ path: name.replace(/^@/, '\0') });
      await once(ready.#server, 'listening');
    } catch (cause) {
      throw usvFailure('USV_IO', `the ready socket ${name} cannot be opened: ${String(cause)}`, { cause });
    }
    return ready;
  }

  /** Says whether all links are up. */
  set(up: boolean): void {
    this.#up = up;
    if (!up) return;
    for (const socket of this.#waiting) socket.end('up\n');
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#waiting) socket.destroy();
  }

  #ask(socket: Socket): void {
    this.#waiting.add(socket);
    // Who asked and went away is nobody's failure.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#waiting.delete(socket));
    // What it says is not read further: only its end is of interest.
    socket.resume();
    if (this.#up) socket.end('up\n');
  }
}
