// SPDX-License-Identifier: Apache-2.0
//
// The HTTP side on a real socket: its three pages, and who does not behave.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { StatusServer, type StatusServerOptions } from '../../../lib/status-server.ts';
import { eventually } from '../../support/eventually.ts';

let server: StatusServer | undefined;
let lines: { readonly level: number; readonly msg: string; readonly code?: string }[] = [];
let collected = 0;

async function start(more: Partial<StatusServerOptions> = {}): Promise<StatusServer> {
  lines = [];
  collected = 0;
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const text = async (): Promise<string> => `a ${++collected}\n`;
  const metrics = { contentType: 'text/plain; version=0.0.4', text };
  const look = () => [{ name: 'all', ready: true, why: 'well' }];
  const options = { address: '127.0.0.1', port: 0, metrics, look, log, ...more };
  server = new StatusServer(options);
  await server.start();
  return server;
}

afterEach(() => server?.close());

const portOf = ({ address }: StatusServer): number => address?.port ?? 0;

function dial(port: number): Socket {
  // A server that hangs up early does not read.
  return connect({ host: '127.0.0.1', port }).on('error', () => undefined);
}

async function reach(port: number): Promise<Socket> {
  const socket = dial(port);
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes as they are and returns all that comes until the end. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = dial(port);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  socket.write(bytes);
  // Not once(), which fails with a connection that is reset.
  await new Promise((resolve) => socket.on('close', resolve));
  return answer;
}

test('health, readiness and metrics', async () => {
  const base = `http://127.0.0.1:${portOf(await start())}`;
  const health = await fetch(`${base}/healthz`);
  expect([health.status, await health.text()]).toEqual([200, 'ok\n']);
  const ready = await fetch(`${base}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([200, '[+]all: well\n']);
  const metrics = await fetch(`${base}/metrics`);
  expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4');
  expect(await metrics.text()).toBe('a 1\n');
});

test('not ready is 503 with the reason', async () => {
  const look = () => [{ name: 'switch', ready: false, why: 'gone' }];
  const answer = await fetch(`http://127.0.0.1:${portOf(await start({ look }))}/readyz`);
  expect([answer.status, await answer.text()]).toEqual([503, '[-]switch: gone\n']);
});

test('many who ask at once are answered from one collection', async () => {
  const port = portOf(await start());
  const pages = await Promise.all(
    Array.from({ length: 20 }, () => raw(port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')),
  );
  expect(pages.filter((page) => page.endsWith('\r\n\r\na 1\n'))).toHaveLength(20);
  expect(collected).toBe(1);
});

test('a collection that fails is 500 without the reason', async () => {
  const text = () => Promise.reject(new Error('secret'));
  const base = `http://127.0.0.1:${portOf(await start({ metrics: { contentType: 'text/plain', text } }))}`;
  const answer = await fetch(`${base}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([500, 'the log says why\n']);
  expect(lines.some(({ level }) => level === 50)).toBe(true);
});

test.each([
  ['another path', 'GET /<canary>?canary HTTP/1.1\r\nHost: canary\r\nX: canary\r\n\r\n', 404],
  ['a path that climbs', 'GET /../../canary HTTP/1.1\r\nHost: canary\r\n\r\n', 404],
  ['a whole address', 'GET http://canary/metrics HTTP/1.1\r\nHost: canary\r\n\r\n', 404],
  ['another method', 'POST /metrics HTTP/1.1\r\nHost: canary\r\nContent-Length: 6\r\n\r\ncanary', 405],
  ['a method of WebDAV', 'PROPFIND /canary HTTP/1.1\r\nHost: canary\r\n\r\n', 405],
  ['HEAD', 'HEAD /metrics HTTP/1.1\r\nHost: canary\r\n\r\n', 200],
  [
    'two requests in one',
    'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /canary HTTP/1.1\r\nHost: x\r\n\r\n',
    200,
  ],
])('%s: one answer that has nothing of the request', async (_, bytes, status) => {
  const answer = await raw(portOf(await start()), bytes);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(answer).not.toContain('canary');
});

test.each([
  ['no HTTP', 'canary\r\n\r\n'],
  ['a header without end', `GET / HTTP/1.1\r\nX: ${'c'.repeat(20_000)}`],
  ['the upgrade of a protocol', 'CONNECT canary:1 HTTP/1.1\r\nHost: canary\r\n\r\n'],
  ['a length that is none', 'GET / HTTP/1.1\r\nContent-Length: canary\r\n\r\n'],
])('%s: closed without a word', async (_, bytes) => {
  const running = await start();
  expect(await raw(portOf(running), bytes)).toBe('');
  expect((await fetch(`http://127.0.0.1:${portOf(running)}/healthz`)).status).toBe(200);
});

test('who says nothing, or half of a request, is sent away', async () => {
  const port = portOf(await start({ requestMillis: 100 }));
  expect(await raw(port, '')).toBe('');
  expect(await raw(port, 'GET /metrics HTTP/1.1\r\n')).toBe('');
});

test('connections are bounded, and the others have their turn afterwards', async () => {
  const running = await start({ requestMillis: 60_000 });
  const idle = await Promise.all(Array.from({ length: 32 }, () => reach(portOf(running))));
  const answer = await raw(portOf(running), 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(answer).toBe('');
  for (const socket of idle) socket.destroy();
  await eventually(
    () => raw(portOf(running), 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'),
    (text) => text.includes('200 OK'),
    'an answer when there is room again',
  );
});

test('a close does not wait for who holds a connection', async () => {
  const running = await start({ requestMillis: 60_000 });
  const socket = await reach(portOf(running));
  const closed = once(socket, 'close');
  await running.close();
  await closed;
});

test('a port in use is one error that names the field, and is taken as soon as it is free', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const taken = other.address();
  const port = typeof taken === 'object' ? (taken?.port ?? 0) : 0;
  const running = await start({ port, retryMillis: 10 });
  expect(running.address).toBeUndefined();
  expect(lines.filter(({ level }) => level === 50)).toEqual([
    expect.objectContaining({
      code: 'USV_CONFIG',
      msg: `USV_CONFIG: expected a free port of 127.0.0.1 for metricsPort, got ${port} (EADDRINUSE)`,
    }),
  ]);
  other.close();
  await eventually(
    () => running.address?.port,
    (now) => now === port,
    'the port, which is free now',
  );
  expect(lines.filter(({ level }) => level === 50)).toHaveLength(1);
});

test('an address that the machine does not have names its field', async () => {
  await start({ address: '192.0.2.1' });
  expect(lines[0]?.msg).toBe(
    'USV_CONFIG: expected an address of this machine for metricsAddress, got 192.0.2.1 (EADDRNOTAVAIL)',
  );
});
