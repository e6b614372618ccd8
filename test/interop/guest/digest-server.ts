// SPDX-License-Identifier: Apache-2.0
//
// What transfers.ts runs in the far end's network: `digest-server.ts BYTES`. A stream to the first port is answered with its
// SHA-256 once it has ended; one from the second port has BYTES random bytes and then their SHA-256, both in hexadecimal.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export const uploadPort = 5000;
export const downloadPort = 5001;
/** The line that says that both ports listen. */
export const listening = 'listening';

async function listen(port: number, serve: (socket: Socket) => void): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // Whoever has gone too early finds too few bytes.
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  server.listen(port);
  await once(server, 'listening');
}

if (import.meta.main) {
  const bytes = Number(process.argv[2]);
  await listen(uploadPort, (socket) => {
    const hash = createHash('sha256');
    socket.on('data', (chunk) => hash.update(chunk));
    socket.on('end', () => socket.end(hash.digest('hex')));
  });
  await listen(downloadPort, (socket) => {
    const content = randomBytes(bytes);
    socket.resume();
    socket.end(Buffer.concat([content, Buffer.from(createHash('sha256').update(content).digest('hex'))]));
  });
  process.stdout.write(`${listening}\n`);
}
