// SPDX-License-Identifier: Apache-2.0
//
// serve and dial on real sockets, errors first.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata, Server } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { usvFailure } from '../../../lib/errors.ts';
import { handleUnary, unary } from '../../../proto/call.ts';
import { Registration } from '../../../proto/load.ts';
import { dial, type ServedSocket, type ServeOptions, serve } from '../../../proto/unix.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const served: ServedSocket[] = [];
const clients: { close(): void }[] = [];
const peer = { peer: 'the server', unreachable: 'USV_KUBELET' } as const;

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(served.splice(0).map((socket) => socket.close({ graceMillis: 0 })));
});

async function start(
  options: ServeOptions,
  onCall: (resource: string) => void = () => {},
): Promise<ServedSocket> {
  const server = new Server();
  server.addService(Registration.service, {
    Register: handleUnary(
      ({ resource_name }: { resource_name: string }) => {
        onCall(resource_name);
        return {};
      },
      () => {},
    ),
  });
  const socket = await serve(server, options);
  served.push(socket);
  return socket;
}

function call(socketPath: string): Promise<unknown> {
  const client = dial(Registration, socketPath);
  clients.push(client);
  return unary(
    (done) => client.Register({ resource_name: 'x' }, { deadline: Date.now() + 5000 }, done),
    peer,
  );
}

describe('serve', () => {
  test('refuses a path over 107 bytes before anything is made, and takes one of 107', async () => {
    const root = newRoot();
    const longest = join(root, 'x'.repeat(107 - root.length - 1));
    await expect(start({ socketPath: `${longest}x`, mode: 0o600 })).rejects.toMatchObject({
      code: 'USV_SOCKET_PATH',
    });
    expect(readdirSync(root)).toEqual([]);
    await start({ socketPath: longest, mode: 0o600 });
    await call(longest);
  });

  test('names the path when its directory is missing', async () => {
    const socketPath = join(newRoot(), 'none', 's');
    await expect(start({ socketPath, mode: 0o600 })).rejects.toMatchObject({
      code: 'USV_IO',
      message: expect.stringContaining(socketPath),
    });
  });

  test('a second server on the path gets USV_RUNNING and leaves the first at work', async () => {
    const root = newRoot();
    const socketPath = join(root, 's');
    await start({ socketPath, mode: 0o600 });
    await expect(start({ socketPath, mode: 0o600 })).rejects.toMatchObject({ code: 'USV_RUNNING' });
    expect(readdirSync(root)).toEqual(['s']);
    await call(socketPath);
  });

  test('gives the name back when prepare throws', async () => {
    const root = newRoot();
    const prepare = (): void => {
      throw usvFailure('USV_IO', 'no data plane');
    };
    await expect(start({ socketPath: join(root, 's'), mode: 0o600, prepare })).rejects.toThrow(
      'no data plane',
    );
    expect(readdirSync(root)).toEqual([]);
  });

  test('runs prepare with the name taken and before the first request', async () => {
    const socketPath = join(newRoot(), 's');
    const order: string[] = [];
    const prepare = (): void => {
      order.push(existsSync(socketPath) ? 'prepare' : 'too early');
    };
    // Waits for a server that is not there yet, so that the request is there as soon as it can be.
    const client = dial(Registration, socketPath);
    clients.push(client);
    const metadata = new Metadata({ waitForReady: true });
    const answer = unary((done) => client.Register({ resource_name: 'x' }, metadata, done), peer);
    await start({ socketPath, mode: 0o600, prepare }, () => order.push('request'));
    await answer;
    expect(order).toEqual(['prepare', 'request']);
  });

  test.each([0o600, 0o666])('gives the socket mode %o', async (mode) => {
    const socketPath = join(newRoot(), 's');
    await start({ socketPath, mode });
    expect(statSync(socketPath).mode & 0o777).toBe(mode);
  });

  test('knows when its file was removed or replaced, and does not remove another one', async () => {
    const root = newRoot();
    const socketPath = join(root, 's');
    const socket = await start({ socketPath, mode: 0o600 });
    expect(socket.present()).toBe(true);
    renameSync(socketPath, `${socketPath}.old`);
    expect(socket.present()).toBe(false);
    writeFileSync(socketPath, 'of somebody else');
    expect(socket.present()).toBe(false);
    await socket.close();
    expect(readdirSync(root).sort()).toEqual(['s', 's.old']);
  });

  test('cuts calls that do not end within the grace', async () => {
    const socketPath = join(newRoot(), 's');
    const server = new Server();
    let arrived = (): void => {};
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    server.addService(Registration.service, { Register: () => arrived() });
    const socket = await serve(server, { socketPath, mode: 0o600 });
    const answer = call(socketPath);
    const refused = expect(answer).rejects.toMatchObject({ code: 'USV_KUBELET' });
    await arrival;
    await socket.close({ graceMillis: 20 });
    await refused;
    expect(existsSync(socketPath)).toBe(false);
  });
});

describe('dial', () => {
  test('an absent server is the code the caller chose, and the message names the peer', async () => {
    await expect(call(join(newRoot(), 'none'))).rejects.toMatchObject({
      code: 'USV_KUBELET',
      message: expect.stringContaining('the server does not answer'),
    });
  });

  test('comes back by itself after the server was away', async () => {
    const directory = join(newRoot(), 'd');
    mkdirSync(directory);
    const socketPath = join(directory, 's');
    const first = await start({ socketPath, mode: 0o600 });
    const client = dial(Registration, socketPath);
    clients.push(client);
    const register = (): Promise<unknown> =>
      unary((done) => {
        const options = { deadline: Date.now() + 5000 };
        return client.Register({ resource_name: 'x' }, options, done);
      }, peer);
    await register();
    await first.close();
    await expect(register()).rejects.toMatchObject({ code: 'USV_KUBELET' });
    rmSync(socketPath, { force: true });
    await start({ socketPath, mode: 0o600 });
    const ready = new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + 2000, (error) => (error ? reject(error) : resolve()));
    });
    await ready;
    await register();
  });
});
