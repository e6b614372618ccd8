// SPDX-License-Identifier: Apache-2.0
//
// The connection against a peer on a real socket that answers what the test says.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { OvsdbConnection } from '../../../../agent/ovs/connection.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';

const makeRoot = temporaryRoots();
let path: string;
let server: Server;
let received: string;
const sockets = new Set<Socket>();
let answer: (request: any, socket: Socket) => void;

beforeEach(async () => {
  path = join(makeRoot(), 'db.sock');
  received = '';
  server = createServer((socket) => {
    sockets.add(socket);
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
      if (text.includes('"method"')) answer(JSON.parse(text), socket);
      server.emit('received');
    });
  });
  server.listen(path);
  await once(server, 'listening');
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server.close();
});

test('nobody there', async () => {
  const absent = OvsdbConnection.open({ path: `${path}-no` });
  await expect(absent).rejects.toMatchObject({
    code: 'USV_SWITCH_UNREACHABLE',
    details: `ovsdb-server does not answer at ${path}-no: there is no such socket`,
  });
});

test('an answer, a refusal, an echo', async () => {
  const connection = await OvsdbConnection.open({ path });
  answer = ({ id, params }, socket) => {
    socket.write(JSON.stringify({ id: 'x', method: 'echo', params: [1] }));
    socket.write(JSON.stringify({ id, result: params, error: null }));
  };
  expect(await connection.request('get', [7])).toEqual([7]);
  while (!received.includes('"result"')) await once(server, 'received');
  expect(received).toContain('{"id":"x","result":[1],"error":null}');
  answer = ({ id }, socket) => socket.write(JSON.stringify({ id, result: null, error: 'unknown database' }));
  await expect(connection.request('get', [])).rejects.toMatchObject({
    code: 'USV_OVS',
    details: `expected a result for the request get to ${path}, got unknown database`,
  });
  connection.close();
});

test('silence ends the connection after the deadline, and all that waits', async () => {
  const reasons: string[] = [];
  const connection = await OvsdbConnection.open({
    path,
    deadlineMillis: 20,
    onClose: ({ details }) => reasons.push(details),
  });
  answer = () => undefined;
  await expect(connection.request('get', [])).rejects.toMatchObject({ code: 'USV_SWITCH_UNREACHABLE' });
  expect(connection.open).toBe(false);
  await expect(connection.request('get', [])).rejects.toMatchObject({ code: 'USV_SWITCH_UNREACHABLE' });
  expect(reasons).toEqual([`ovsdb-server at ${path}: no answer to get within 20 ms`]);
});

test('a peer that is not ovsdb-server, and one that hangs up', async () => {
  const first = await OvsdbConnection.open({ path });
  answer = (_, socket) => socket.write('HTTP/1.1 400 Bad Request');
  await expect(first.request('get', [])).rejects.toThrow(
    'expected an object for a message of ovsdb-server, got "H"',
  );
  const second = await OvsdbConnection.open({ path });
  answer = (_, socket) => socket.destroy();
  await expect(second.request('get', [])).rejects.toThrow('the connection');
});
