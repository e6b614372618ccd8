// SPDX-License-Identifier: Apache-2.0
//
// The HTTP side of a daemon for people and probes: /metrics, /healthz, /readyz. Whoever reaches the port may read them
// and nothing else, so: bounded in connections, time and work, one request a connection, and no byte of a request is
// ever sent back. A port that is not to be had is tried again; the daemon's work does not depend on it.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createBackoff } from './backoff.ts';
import { errnoOf } from './errno.ts';
import { type UsvhostError, usvError } from './errors.ts';
import { type Page, plain, readiness, send } from './http-page.ts';
import type { Logger } from './log.ts';
import type { Part } from './parts.ts';

export interface StatusServerOptions {
  readonly address: string;
  readonly port: number;
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly look: () => readonly Part[];
  readonly log: Logger;
  /** First pause before a port that is in use is tried again. Default 1000. */
  readonly retryMillis?: number;
  /** Longest silence of a connection, and longest time for a request. Default 5000. */
  readonly requestMillis?: number;
}

/** At once; another connection is closed unanswered. */
const maxConnections = 32;
const maxHeaderBytes = 8192;
/** Metrics are collected at most once in this time, however many ask. */
const freshMillis = 500;

export class StatusServer {
  readonly #options: StatusServerOptions;
  readonly #backoff;
  #server: Server | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #collected: { readonly at: number; readonly text: Promise<string> } | undefined;

  constructor(options: StatusServerOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ initialMillis: options.retryMillis ?? 1000, maxMillis: 60_000 });
  }

  /** Listens, or says why not and goes on trying. Never throws for what the machine refuses. */
  async start(): Promise<void> {
    await this.#listen(true);
  }

  /** Where it listens; undefined while it does not. */
  get address(): AddressInfo | undefined {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address : undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #listen(first: boolean): Promise<void> {
    const { address, port, log } = this.#options;
    const server = this.#createServer();
    try {
      server.listen({ host: address, port });
      await once(server, 'listening');
    } catch (cause) {
      if (errnoOf(cause) === '') throw cause;
      const error = refusal(this.#options, cause);
      const retryMillis = this.#backoff.next();
      if (first) log.error({ code: error.code, retryMillis }, error.message);
      else log.debug({ code: error.code, retryMillis }, error.message);
      this.#retry = setTimeout(() => void this.#listen(false), retryMillis);
      return;
    }
    if (this.#closed) {
      server.close();
      return;
    }
    this.#server = server;
    log.info({ ...this.address }, 'metrics are served');
  }

  #createServer(): Server {
    const limit = this.#options.requestMillis ?? 5000;
    const server = createServer(
      {
        maxHeaderSize: maxHeaderBytes,
        headersTimeout: limit,
        requestTimeout: limit,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => {
        // A reader that hangs up has what it wants.
        response.on('error', (error) => this.#options.log.debug({ err: error }, 'metrics not read'));
        void this.#answer(request, response);
      },
    );
    server.maxConnections = maxConnections;
    server.maxHeadersCount = 64;
    server.setTimeout(limit, (socket) => socket.destroy());
    // Node would answer with what was wrong; whoever sends that is no client of ours.
    server.on('clientError', (_, socket) => socket.destroy());
    return server;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    send(await this.#page(request), { request, response, last: true });
  }

  async #page({ method, url }: IncomingMessage): Promise<Page> {
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET and HEAD\n');
    if (url === '/healthz') return plain(200, 'ok\n');
    if (url === '/readyz') return readiness(this.#options.look());
    if (url === '/metrics') return this.#metrics();
    return plain(404, 'there are /metrics, /healthz and /readyz\n');
  }

  async #metrics(): Promise<Page> {
    const { metrics, log } = this.#options;
    try {
      return { status: 200, type: metrics.contentType, body: await this.#collect() };
    } catch (error) {
      log.error({ err: error }, 'metrics cannot be collected');
      return plain(500, 'the log says why\n');
    }
  }

  #collect(): Promise<string> {
    const now = performance.now();
    if (this.#collected === undefined || now - this.#collected.at > freshMillis)
      this.#collected = { at: now, text: this.#options.metrics.text() };
    return this.#collected.text;
  }
}

/** A server where a configuration wants one; undefined where its address is null. */
export async function startStatus(
  {
    metricsAddress: address,
    metricsPort: port,
  }: { readonly metricsAddress: string | null; readonly metricsPort: number },
  deps: Pick<StatusServerOptions, 'metrics' | 'look' | 'log'>,
): Promise<StatusServer | undefined> {
  if (address === null) return undefined;
  const status = new StatusServer({ address, port, ...deps });
  await status.start();
  return status;
}

function refusal({ address, port }: StatusServerOptions, cause: unknown): UsvhostError {
  const errno = errnoOf(cause);
  const absent = errno === 'EADDRNOTAVAIL' || errno === 'EINVAL' || errno === 'EAFNOSUPPORT';
  return usvError('USV_CONFIG', {
    what: absent ? 'metricsAddress' : 'metricsPort',
    expected: absent ? 'an address of this machine' : `a free port of ${address}`,
    got: `${absent ? address : port} (${errno})`,
    cause,
  });
}
