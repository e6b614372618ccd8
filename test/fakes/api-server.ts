// SPDX-License-Identifier: Apache-2.0
//
// As much of an API server, over real HTTPS, as an agent asks for: its node's status, the list and the watch of pods, events. It
// is there for what a real one does seldom: refuse, break off, have forgotten a version, hang. The real one is in
// test/cluster/events.test.ts.

import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { run } from '../../cli/demo/process.ts';

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: any;
}

const token = 'token-of-the-agent';

export class FakeApiServer {
  readonly calls: ApiCall[] = [];
  /** Objects of pods, in the order of their names. */
  readonly pods = new Map<string, object>();
  conditions: object[] = [];
  /** Asked before each answer: a status instead of it, no answer, one without an end and without a line, or undefined. */
  refuse: (call: ApiCall) => number | 'hang' | 'endless' | undefined = () => undefined;
  readonly #directory: string;
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<ServerResponse>();
  #close: (() => Promise<void>) | undefined;
  #port = 0;
  #version = 100;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Certificate and kubeconfig lie in `directory`. */
  static async start(directory: string): Promise<FakeApiServer> {
    const server = new FakeApiServer(directory);
    mkdirSync(directory, { recursive: true });
    await server.renew();
    await server.listen();
    return server;
  }

  /** Another certificate, of another authority, and a kubeconfig that knows it. */
  async renew(): Promise<void> {
    await run([
      ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'],
      ...['-days', '30', '-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', join(this.#directory, 'tls.key'), '-out', join(this.#directory, 'tls.crt')],
    ]);
    if (this.#port !== 0) this.#writeKubeconfig();
  }

  get kubeconfig(): string {
    return join(this.#directory, 'kubeconfig');
  }

  /** On the same port as before, if there was one. */
  async listen(): Promise<void> {
    const file = (name: string): Buffer => readFileSync(join(this.#directory, name));
    const server = createServer({ cert: file('tls.crt'), key: file('tls.key') }, (request, response) => {
      void this.#answer(request, response);
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#writeKubeconfig();
    this.#close = async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of this.#sockets) socket.destroy();
      await closed;
    };
  }

  async close(): Promise<void> {
    await this.#close?.();
    this.#close = undefined;
    this.#watches.clear();
  }

  get watches(): number {
    return this.#watches.size;
  }

  callsOf(method: string, part: string): ApiCall[] {
    return this.calls.filter((call) => call.method === method && call.path.includes(part));
  }

  /** Makes a pod, changes or removes it, and tells every watch. */
  put(name: string, more: { annotations?: object; deletionTimestamp?: string; spec?: object } = {}): void {
    const type = this.pods.has(name) ? 'MODIFIED' : 'ADDED';
    const { annotations, deletionTimestamp, spec = {} } = more;
    const pod = {
      metadata: {
        namespace: 'apps',
        name,
        uid: `uid-${name}`,
        resourceVersion: String(++this.#version),
        ...(annotations === undefined ? {} : { annotations }),
        ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      },
      spec: { nodeName: 'node-1', containers: [{ name: 'c' }], ...spec },
    };
    this.pods.set(name, pod);
    this.say({ type, object: pod });
  }

  remove(name: string): void {
    const object = this.pods.get(name);
    this.#version++;
    this.pods.delete(name);
    this.say({ type: 'DELETED', object });
  }

  /** A line to every watch. */
  say(line: object): void {
    for (const watch of this.#watches) watch.write(`${JSON.stringify(line)}\n`);
  }

  /** Ends every watch, with whole answers or in the middle. */
  endWatches(how: 'end' | 'destroy'): void {
    for (const watch of this.#watches) watch[how]();
    this.#watches.clear();
  }

  #writeKubeconfig(): void {
    const authority = readFileSync(join(this.#directory, 'tls.crt')).toString('base64');
    const cluster = { server: `https://127.0.0.1:${this.#port}`, 'certificate-authority-data': authority };
    const document = {
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    };
    writeFileSync(this.kubeconfig, JSON.stringify(document));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://api');
    const body = await text(request);
    const call: ApiCall = {
      method: request.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: body === '' ? undefined : JSON.parse(body),
    };
    this.calls.push(call);
    const reply = (status: number, document: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(document));
    };
    const refusal = request.headers.authorization === `Bearer ${token}` ? this.refuse(call) : 401;
    if (refusal === 'hang') return;
    if (refusal === 'endless') return writeForever(response);
    if (refusal !== undefined) return reply(refusal, { kind: 'Status', message: 'as the test wants it' });
    if (call.path === '/api/v1/pods') return this.#podsFor(call, response, reply);
    if (call.path.endsWith('/status')) {
      for (const condition of call.body?.status?.conditions ?? []) this.#merge(condition);
      return reply(200, { status: { conditions: this.conditions } });
    }
    return reply(call.method === 'POST' ? 201 : 200, call.body ?? {});
  }

  #merge(condition: { readonly type?: string }): void {
    this.conditions = [
      ...this.conditions.filter((each) => (each as { type?: string }).type !== condition.type),
      condition,
    ];
  }

  #podsFor(
    { query }: ApiCall,
    response: ServerResponse,
    reply: (status: number, document: object) => void,
  ): void {
    if (query['watch'] === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
      this.#watches.add(response);
      response.on('close', () => this.#watches.delete(response));
      return;
    }
    const names = [...this.pods.keys()].toSorted();
    const from = Number(query['continue'] ?? 0);
    const to = from + Number(query['limit'] ?? names.length);
    reply(200, {
      kind: 'PodList',
      metadata: {
        resourceVersion: String(this.#version),
        ...(to < names.length ? { continue: String(to) } : {}),
      },
      items: names.slice(from, to).map((name) => this.pods.get(name)),
    });
  }
}

/** As fast as it is read. */
function writeForever(response: ServerResponse): void {
  const chunk = Buffer.alloc(1024 * 1024, '[');
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
}
