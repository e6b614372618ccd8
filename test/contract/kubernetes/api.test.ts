// SPDX-License-Identifier: Apache-2.0
//
// The agent's client against a real HTTPS server: credentials, deadlines, answers that break off.

import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { KubernetesApi } from '../../../agent/kubernetes/api.ts';
import { loadKubeConfig } from '../../../agent/kubernetes/kube-config.ts';
import { FakeApiServer } from '../../fakes/api-server.ts';
import { needs } from '../../support/need.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';

const test = needs('openssl');
let directory: PrivateDirectory;
let server: FakeApiServer;
let api: KubernetesApi;
const status = { method: 'GET', path: '/api/v1/nodes/node-1/status' } as const;

const client = (deadlineMillis = 5000): KubernetesApi =>
  new KubernetesApi({ load: async () => loadKubeConfig(server.kubeconfig), deadlineMillis });

beforeEach(async () => {
  directory = privateDirectory();
  server = await FakeApiServer.start(directory.path);
  api = client();
});
afterEach(async () => {
  api.close();
  await server.close();
  directory.remove();
});

test('brings its credentials, a query, and a body of its type', async () => {
  await api.request({
    ...status,
    method: 'PATCH',
    query: { a: 'b c' },
    contentType: 'x/y',
    body: { status: {} },
  });
  const [call] = server.calls;
  expect(call).toMatchObject({ method: 'PATCH', query: { a: 'b c' }, body: { status: {} } });
  expect(call?.headers).toMatchObject({
    authorization: 'Bearer token-of-the-agent',
    'content-type': 'x/y',
    'user-agent': 'usvhost-agent',
  });
});

test('a refusal is an answer', async () => {
  server.refuse = () => 403;
  expect(await api.request(status)).toEqual({
    status: 403,
    body: expect.objectContaining({ kind: 'Status' }),
  });
});

test('no server, a silent one and one that breaks off are USV_KUBERNETES, without a word of the credentials', async () => {
  api = client(200);
  server.refuse = () => 'hang';
  await expect(api.request(status)).rejects.toMatchObject({
    code: 'USV_KUBERNETES',
    details: 'the API server does not answer GET /api/v1/nodes/node-1/status: no whole answer in 200 ms',
  });
  await server.close();
  const error: unknown = await api.request(status).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'USV_KUBERNETES', details: expect.stringContaining('ECONNREFUSED') });
  writeFileSync(server.kubeconfig, 'users: [token: token-of-the-agent');
  const wrong: unknown = await api.request(status).catch((reason: unknown) => reason);
  expect(wrong).toMatchObject({
    code: 'USV_KUBERNETES',
    details: `${server.kubeconfig} cannot be used: not of the form of a kubeconfig`,
  });
  expect(JSON.stringify([error, wrong, String(wrong)])).not.toContain('token-of-the-agent');
});

test('a server with another authority is not talked to, until the credentials know it', async () => {
  const before = await api.request(status);
  expect(before.status).toBe(200);
  const { kubeconfig } = server;
  const known = readFileSync(kubeconfig);
  await server.close();
  await server.renew();
  await server.listen();
  const fresh = readFileSync(kubeconfig);
  writeFileSync(kubeconfig, known);
  await expect(api.request(status)).rejects.toMatchObject({ details: expect.stringMatching(/certificate/) });
  expect(server.calls).toHaveLength(1);
  writeFileSync(kubeconfig, fresh);
  expect((await api.request(status)).status).toBe(200);
});

test('an answer without an end and a line without one are cut', async () => {
  api = client(60_000);
  server.refuse = () => 'endless';
  await expect(api.request(status)).rejects.toMatchObject({
    code: 'USV_KUBERNETES',
    details: 'an answer of more than 33554432 bytes',
  });
  await expect(api.stream(status, 60_000, () => undefined)).rejects.toMatchObject({
    code: 'USV_KUBERNETES',
    details: 'a line of a watch without an end',
  });
});

test('a stream gives whole lines, and says how it ended', async () => {
  const lines: string[] = [];
  const arrived = Promise.withResolvers<void>();
  const watch = { method: 'GET', path: '/api/v1/pods', query: { watch: 'true' } } as const;
  const done = api.stream(watch, 5000, (line) => {
    lines.push(line);
    if (lines.length === 2) arrived.resolve();
  });
  const timer = setInterval(() => {
    if (server.watches === 0 || lines.length > 0) return;
    server.say({ type: 'ADDED', object: 'ö'.repeat(100_000) });
    server.say({ type: 'BOOKMARK' });
  }, 5);
  await arrived.promise;
  clearInterval(timer);
  expect(lines.map((line) => JSON.parse(line).type)).toEqual(['ADDED', 'BOOKMARK']);
  server.endWatches('end');
  expect(await done).toBe(200);
  server.refuse = () => 410;
  expect(await api.stream(watch, 5000, () => undefined)).toBe(410);
  server.refuse = () => undefined;
  await expect(api.stream(watch, 100, () => undefined)).rejects.toMatchObject({ code: 'USV_KUBERNETES' });
});
