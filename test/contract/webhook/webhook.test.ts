// SPDX-License-Identifier: Apache-2.0
//
// The webhook as the API server meets it: HTTPS with certificates that openssl has made, replaced while it serves, and
// clients that do not behave.

import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { pino } from 'pino';
import { run } from '../../../cli/demo/process.ts';
import { webhookConfigSchema } from '../../../lib/config/webhook.ts';
import { startWebhook, type WebhookDaemon, type WebhookDeps } from '../../../webhook/daemon.ts';
import { maxBodyBytes } from '../../../webhook/server.ts';
import { eventually } from '../../support/eventually.ts';
import { needs } from '../../support/need.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';
import { podWith, reviewOf } from '../../unit/webhook/support.ts';

const test = needs('openssl');

let directory: PrivateDirectory;
let daemon: WebhookDaemon | undefined;
let lines: { readonly code?: string; readonly msg: string }[] = [];

beforeEach(() => {
  directory = privateDirectory();
  lines = [];
});
afterEach(async () => {
  await daemon?.close();
  daemon = undefined;
  directory.remove();
});

const mounted = (name: string): string => join(directory.path, 'tls', name);

/** A certificate for `name`, with its key, in a directory of its own. */
async function certify(name: string): Promise<string> {
  const into = join(directory.path, name);
  mkdirSync(into);
  await run([
    ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'],
    ...['-days', '30', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', join(into, 'tls.key'), '-out', join(into, 'tls.crt')],
  ]);
  return into;
}

/** As the kubelet shows a Secret: links by way of `..data`, which is swapped by one rename. */
function mount(from: string): void {
  const tls = join(directory.path, 'tls');
  const first = mkdirSync(tls, { recursive: true }) !== undefined;
  symlinkSync(from, join(tls, '..data_tmp'));
  renameSync(join(tls, '..data_tmp'), join(tls, '..data'));
  if (!first) return;
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(tls, name));
}

async function start(deps: Partial<WebhookDeps> = {}): Promise<WebhookDaemon> {
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const config = webhookConfigSchema.parse({
    address: '127.0.0.1',
    port: 0,
    metricsPort: 0,
    certificate: mounted('tls.crt'),
    key: mounted('tls.key'),
    image: 'usvhost',
  });
  daemon = await startWebhook(config, { log, ...deps });
  return daemon;
}

async function started(deps: Partial<WebhookDeps> = {}): Promise<WebhookDaemon> {
  mount(await certify('first'));
  return start(deps);
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request to the running webhook; trusts `ca`, by default what is mounted. */
async function ask(path: string, body?: string | Buffer, more: RequestOptions = {}): Promise<Answer> {
  const { port } = daemon?.address ?? { port: 0 };
  const ca = readFileSync(mounted('tls.crt'));
  const method = body === undefined ? 'GET' : 'POST';
  const sent = request({ host: '127.0.0.1', port, path, method, ca, agent: false, ...more });
  // A server that has enough closes while we still write; its answer is what counts.
  const failed = new Promise<never>((_, reject) => sent.on('error', reject));
  const answered = once(sent, 'response');
  sent.end(body);
  const [response] = await Promise.race([answered, failed]);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return { status: response.statusCode, body: text };
}

/** Common name of the certificate that a new connection is shown. */
async function served(): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: daemon?.address.port ?? 0, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

async function metrics(): Promise<string> {
  // At most twice a second they are collected.
  return (await fetch(`http://127.0.0.1:${daemon?.status?.port}/metrics`)).text();
}

const wishing = JSON.stringify(reviewOf(podWith({ 'usvhost.io/inject': 'true' })));
const indifferent = JSON.stringify(reviewOf(podWith({})));
const patched = (answer: Answer): boolean => JSON.parse(answer.body).response.patch !== undefined;

test('reviews, health, readiness and metrics', async () => {
  await started();
  const review = await ask('/mutate?timeout=10s', wishing);
  expect([review.status, JSON.parse(review.body).response.allowed, patched(review)]).toEqual([
    200,
    true,
    true,
  ]);
  expect(patched(await ask('/mutate', indifferent))).toBe(false);
  expect(patched(await ask('/mutate/force', indifferent))).toBe(true);
  const refused = await ask('/mutate', JSON.stringify(reviewOf(podWith({ 'usvhost.io/inject': '1' }))));
  expect([refused.status, JSON.parse(refused.body).response.status.code]).toEqual([200, 400]);
  expect(await ask('/healthz')).toEqual({ status: 200, body: 'ok\n' });
  expect(await ask('/readyz')).toMatchObject({
    status: 200,
    body: expect.stringMatching(/^\[\+\]certificate: ends 2/),
  });
  const text = await metrics();
  for (const [result, count] of Object.entries({ patched: 2, untouched: 1, USV_ANNOTATION: 1 }))
    expect(text).toContain(`usvhost_webhook_reviews_total{result="${result}"} ${count}\n`);
  expect(text).toContain('usvhost_webhook_review_duration_seconds_count 4\n');
  const [, end = ''] = /^usvhost_webhook_certificate_expiry_timestamp_seconds (\S+)$/m.exec(text) ?? [];
  expect(Number(end) - Date.now() / 1000).toBeGreaterThan(29 * 86_400);
});

test('a certificate that has ended makes it unready', async () => {
  await started({ now: () => new Date(Date.now() + 31 * 86_400_000) });
  expect(await ask('/readyz')).toMatchObject({
    status: 503,
    body: expect.stringContaining('[-]certificate: ended'),
  });
});

test('a new certificate is served without a restart, and connections that stand go on', async () => {
  await started();
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(mounted('tls.crt')) });
  try {
    expect(patched(await ask('/mutate', wishing, { agent }))).toBe(true);
    const before = Object.values(agent.freeSockets).flat()[0];
    mount(await certify('second'));
    await eventually(served, (name) => name === 'second', 'the new certificate');
    expect(patched(await ask('/mutate', wishing, { agent }))).toBe(true);
    expect(Object.values(agent.freeSockets).flat()[0]).toBe(before);
    expect(patched(await ask('/mutate', wishing))).toBe(true);
    const text = await eventually(metrics, (page) => page.includes('reloads_total'), 'a count');
    expect(text).toContain('usvhost_webhook_certificate_reloads_total{result="OK"} 1\n');
  } finally {
    agent.destroy();
  }
});

const breaks: Readonly<Record<string, (good: string, other: string) => void>> = {
  'a key of another certificate': (good, other) =>
    writeFileSync(join(good, 'tls.key'), readFileSync(join(other, 'tls.key'))),
  'no key': (good) => rmSync(join(good, 'tls.key')),
  'a certificate that is none': (good) => writeFileSync(join(good, 'tls.crt'), 'nonsense'),
  'an empty certificate': (good) => writeFileSync(join(good, 'tls.crt'), ''),
};

for (const [name, spoil] of Object.entries(breaks)) {
  test(`a pair with ${name} leaves the one before in its place, and says so`, async () => {
    await started();
    const [broken, good] = [await certify('broken'), await certify('good')];
    spoil(broken, good);
    mount(broken);
    await eventually(
      () => lines.find(({ code }) => code === 'USV_CERTIFICATE')?.msg ?? '',
      (words) => words.includes(mounted('tls')) && words.endsWith('the pair before is served on'),
      'a line in the log',
    );
    expect(await served()).toBe('first');
    mount(good);
    await eventually(served, (shown) => shown === 'good', 'the certificate that is good again');
  });

  test(`there is no start with ${name}`, async () => {
    const [broken, other] = [await certify('broken'), await certify('other')];
    spoil(broken, other);
    mount(broken);
    await expect(start()).rejects.toMatchObject({ code: 'USV_CERTIFICATE' });
  });
}

test('what is no review is answered with what is wrong', async () => {
  await started();
  expect(await ask('/mutate', 'nonsense')).toEqual({
    status: 400,
    body: 'USV_REVIEW: expected JSON for the body, got something else\n',
  });
  expect(await ask('/mutate', '{}')).toMatchObject({
    status: 400,
    body: expect.stringMatching(/^USV_REVIEW: /),
  });
  expect(await ask('/mutate')).toMatchObject({ status: 405 });
  expect(await ask('/healthz', 'x')).toMatchObject({ status: 405 });
  for (const path of ['/', '/mutate/', '/toString', '/metrics'])
    expect(await ask(path, wishing)).toMatchObject({ status: 404 });
});

test('a body of 3 MiB is read, and one byte more is not', async () => {
  await started();
  const fill = (size: number): Buffer => Buffer.from(wishing.padEnd(size));
  expect(patched(await ask('/mutate', fill(maxBodyBytes)))).toBe(true);
  expect(await ask('/mutate', fill(maxBodyBytes + 1))).toMatchObject({ status: 413 });
  expect(patched(await ask('/mutate', wishing))).toBe(true);
});

test('who is slow is sent away, and others are served meanwhile', async () => {
  const { address } = await started({ requestMillis: 1500 });
  const tcp = connectTcp({ host: '127.0.0.1', port: address.port });
  const silent = connect({ host: '127.0.0.1', port: address.port, rejectUnauthorized: false });
  const half = connect({ host: '127.0.0.1', port: address.port, rejectUnauthorized: false });
  const ends = [tcp, silent, half].map((socket) => {
    socket.on('error', () => undefined).resume();
    return new Promise((resolve) => socket.on('close', resolve));
  });
  half.write('POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{');
  expect(patched(await ask('/mutate', wishing))).toBe(true);
  await Promise.all(ends);
  expect(patched(await ask('/mutate', wishing))).toBe(true);
});

test('two on one port: the second says which field', async () => {
  const { address } = await started();
  const config = webhookConfigSchema.parse({
    address: '127.0.0.1',
    port: address.port,
    metricsAddress: null,
    certificate: mounted('tls.crt'),
    key: mounted('tls.key'),
    image: 'usvhost',
  });
  const second = startWebhook(config, { log: pino({ level: 'silent' }) });
  await expect(second).rejects.toMatchObject({
    code: 'USV_CONFIG',
    message: expect.stringContaining('address and port'),
  });
});

test('a request under way has its answer when the webhook stops', async () => {
  const running = await started();
  const ca = readFileSync(mounted('tls.crt'));
  const sent = request({
    host: '127.0.0.1',
    port: running.address.port,
    path: '/mutate',
    method: 'POST',
    ca,
    agent: false,
  });
  const answered = once(sent, 'response');
  sent.write(wishing.slice(0, 10));
  const [socket] = await once(sent, 'socket');
  await once(socket, 'secureConnect');
  const closed = running.close();
  sent.end(wishing.slice(10));
  const [response] = await answered;
  expect(response.statusCode).toBe(200);
  response.resume();
  await closed;
  daemon = undefined;
});
