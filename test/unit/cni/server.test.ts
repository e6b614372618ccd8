// SPDX-License-Identifier: Apache-2.0
//
// The agent's socket against bad clients: each loses its own connection, and nobody else notices.

import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';
import { type CniServer, startCniServer } from '../../../cni/server.ts';
import * as wire from '../../../cni/shim-protocol.ts';
import { probeSocket } from '../../../proto/socket-file.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const makeRoot = temporaryRoots();
let socketPath: string;
let server: CniServer;
let warned: PromiseWithResolvers<undefined>;
let warnings = 0;

async function start(requestMillis = 200): Promise<CniServer> {
  const log = {
    info: () => undefined,
    warn: () => {
      warnings++;
      warned.resolve(undefined);
    },
  };
  const handle = async (request: wire.ShimRequest) => ({
    exitCode: 3,
    stdout: `hello ${request.containerId}`,
    result: 'OK' as const,
  });
  return startCniServer({ socketPath, handle, log, queue: new KeyedQueue(), maxCalls: 4, requestMillis });
}

beforeEach(async () => {
  warned = Promise.withResolvers();
  warnings = 0;
  socketPath = join(makeRoot(), 'agent.sock');
  server = await start();
});

afterEach(() => server.close());

function request(containerId: string): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32LE(2, 0);
  head.writeUInt32LE(containerId.length, 8);
  return wire.encodeFrame('request', 0, Buffer.concat([head, Buffer.from(containerId)]));
}

async function talk(bytes: Buffer): Promise<Buffer> {
  const socket = connect(socketPath);
  socket.on('error', () => undefined); // the server may hang up while we write
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

async function expectServed(): Promise<void> {
  const reply = await talk(request('c1'));
  expect(wire.decodeHeader(reply)).toMatchObject({ kind: wire.frameKinds.finish });
  expect(reply.readUInt32LE(16)).toBe(3);
  expect(reply.toString('utf8', 20)).toBe('hello c1');
}

test('answers, and the socket is for its owner alone', async () => {
  await expectServed();
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
});

test('a request in single bytes is read whole', async () => {
  await server.close();
  server = await start(15_000); // a busy machine needs its time for sixty small writes
  const socket = connect(socketPath);
  for (const byte of request('slow')) {
    socket.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [reply] = (await once(socket, 'data')) as [Buffer];
  expect(reply.toString()).toContain('hello slow');
});

test.each<[string, Buffer]>([
  ['nonsense', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  [
    'a body over the limit',
    (() => {
      const frame = wire.encodeFrame('request', 0, Buffer.alloc(0));
      frame.writeUInt32LE(0xffffffff, 12);
      return frame;
    })(),
  ],
  ['a report instead of a request', wire.encodeFrame('report', 0, Buffer.alloc(8))],
  ['lengths that lie', wire.encodeFrame('request', 0, Buffer.alloc(40, 0xff))],
  ['silence', Buffer.alloc(0)],
  ['half a header', wire.encodeFrame('request', 0, Buffer.alloc(8)).subarray(0, 9)],
])('%s ends the connection within its time and nothing else', async (_, bytes) => {
  expect(await talk(bytes)).toHaveLength(0);
  await warned.promise;
  await expectServed();
});

test('who only looks whether there is an agent is nothing to warn of', async () => {
  // With time to spare for what comes after it, which would be warned of on a busy machine.
  await server.close();
  server = await start(5000);
  expect(await probeSocket(socketPath)).toBe('live');
  // Served after that connection.
  await expectServed();
  expect(warnings).toBe(0);
});

test('one call more than the limit is told to try again', async () => {
  const idle: Socket[] = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const socket = connect(socketPath);
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    }),
  );
  const reply = await talk(request('c1'));
  expect(JSON.parse(reply.toString('utf8', 20))).toMatchObject({
    code: 11,
    msg: expect.stringContaining('USV_BUSY'),
  });
  for (const socket of idle) socket.destroy();
});

test('a second server on the path is refused, a stale socket is replaced', async () => {
  await expect(start()).rejects.toMatchObject({ code: 'USV_RUNNING' });
  await expectServed();
});
