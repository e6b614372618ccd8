// SPDX-License-Identifier: Apache-2.0
//
// A vhost-user back-end that a test scripts: a real listening socket that does with each connection what the test says.

import { createServer, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';

/** A reply with one 64-bit number. */
export function reply(request: number, value: bigint, { flags = 5, size = 8 } = {}): Buffer {
  const message = Buffer.alloc(20);
  [request, flags, size].forEach((word, index) => message.writeUInt32LE(word, 4 * index));
  message.writeBigUInt64LE(value, 12);
  return message;
}

/** Answers GET_FEATURES and GET_PROTOCOL_FEATURES, each request alone as a client that waits for replies sends it. */
export function offering(features: bigint, protocol = 0n): (socket: Socket) => void {
  return (socket) => {
    socket.on('data', (request: Buffer) => {
      const number = request.readUInt32LE(0);
      socket.write(reply(number, number === 1 ? features : protocol));
    });
  };
}

/** Returns a function that listens at a path; all are closed after each test. */
export function backEnds(): (path: string, serve: (socket: Socket) => void) => Promise<void> {
  const undo: (() => void)[] = [];
  afterEach(() => {
    for (const step of undo.splice(0)) step();
  });
  return (path, serve) =>
    new Promise((resolve) => {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        // The client hangs up when it has heard enough.
        socket.on('error', () => socket.destroy());
        serve(socket);
      });
      undo.push(() => {
        server.close();
        for (const socket of sockets) socket.destroy();
      });
      server.listen(path, resolve);
    });
}
