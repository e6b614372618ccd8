// SPDX-License-Identifier: Apache-2.0
//
// The HTTPS side, for the API server: reviews, health, readiness. Whoever reaches the port may ask, so everything is bounded:
// connections, bytes, time. It knows nothing of pods; `decide` does.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { errnoOf } from '../lib/errno.ts';
import { UsvhostError, usvError } from '../lib/errors.ts';
import { type Page, plain, readiness, send } from '../lib/http-page.ts';
import type { Logger } from '../lib/log.ts';
import type { Part } from '../lib/parts.ts';
import type { Pair } from './certificate.ts';
import type { Review } from './review.ts';

export interface WebhookServerOptions {
  /** null: every address. */
  readonly address: string | null;
  readonly port: number;
  readonly pair: Pair;
  /** @throws UsvhostError USV_REVIEW */
  readonly decide: (body: unknown, forced: boolean) => Review;
  readonly look: () => readonly Part[];
  /** A request for a review has ended. */
  readonly ended: (result: string, seconds: number) => void;
  readonly log: Logger;
  /** Longest time for a handshake and for a request. Default 10000, as the API server itself waits by default. */
  readonly requestMillis?: number;
}

/** The API server takes objects of at most 3 MiB. */
export const maxBodyBytes = 3 * 1024 * 1024;
const maxConnections = 256;
/** Longer than the API server keeps an idle connection (90 s), so that it is never closed under a request. */
const keepAliveMillis = 120_000;

const reviewPaths: Readonly<Record<string, { readonly forced: boolean }>> = {
  '/mutate': { forced: false },
  '/mutate/force': { forced: true },
};

export class WebhookServer {
  readonly #options: WebhookServerOptions;
  readonly #server: Server;

  constructor(options: WebhookServerOptions) {
    this.#options = options;
    const limit = options.requestMillis ?? 10_000;
    const { cert, key } = options.pair;
    this.#server = createServer(
      {
        cert,
        key,
        minVersion: 'TLSv1.2',
        handshakeTimeout: limit,
        maxHeaderSize: 16_384,
        headersTimeout: limit,
        requestTimeout: limit,
        keepAliveTimeout: keepAliveMillis,
        connectionsCheckingInterval: Math.min(1000, limit),
      },
      (request, response) => {
        response.on('error', (error) => options.log.debug({ err: error }, 'answer not read'));
        void this.#answer(request, response);
      },
    );
    this.#server.maxConnections = maxConnections;
    this.#server.on('clientError', (_, socket) => socket.destroy());
    this.#server.on('tlsClientError', (error, socket) => {
      options.log.debug({ err: error }, 'no handshake');
      socket.destroy();
    });
  }

  /** @throws UsvhostError USV_CONFIG when address or port cannot be had */
  async start(): Promise<void> {
    const { address, port, log } = this.#options;
    try {
      this.#server.listen({ port, ...(address === null ? {} : { host: address }) });
      await once(this.#server, 'listening');
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === '') throw cause;
      const place = `${address ?? 'every address'}, port ${port} (${errno})`;
      const expected = 'an address of this machine and a free port';
      throw usvError('USV_CONFIG', { what: 'address and port', expected, got: place, cause });
    }
    log.info({ ...this.address }, 'webhook is listening');
  }

  get address(): AddressInfo | undefined {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address : undefined;
  }

  /** New connections have this pair; those that stand keep theirs. */
  use({ cert, key }: Pair): void {
    this.#server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
  }

  /** Takes no more; requests under way have their answer, for which the longest time of a request is enough. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    const late = setTimeout(() => this.#server.closeAllConnections(), this.#options.requestMillis ?? 10_000);
    await closed;
    clearTimeout(late);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = await this.#page(request);
    // What is left of a request that was not read has no place before another one.
    send(page, { request, response, last: !request.complete });
  }

  async #page(request: IncomingMessage): Promise<Page> {
    const { method, url = '' } = request;
    // The API server adds `?timeout=10s`.
    const [path = ''] = url.split('?');
    const reviewPath = Object.hasOwn(reviewPaths, path) ? reviewPaths[path] : undefined;
    if (reviewPath !== undefined) {
      if (method !== 'POST') return plain(405, 'only POST\n');
      return this.#review(request, reviewPath.forced);
    }
    if (path !== '/healthz' && path !== '/readyz')
      return plain(404, 'there are /mutate, /mutate/force, /healthz and /readyz\n');
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET and HEAD\n');
    if (path === '/healthz') return plain(200, 'ok\n');
    return readiness(this.#options.look());
  }

  async #review(request: IncomingMessage, forced: boolean): Promise<Page> {
    const { decide, ended, log } = this.#options;
    const begin = performance.now();
    const finish = (result: string, page: Page): Page => {
      ended(result, (performance.now() - begin) / 1000);
      return page;
    };
    try {
      const body = await readBody(request);
      if (body === undefined)
        return finish('USV_REVIEW', plain(413, `the body may have ${maxBodyBytes} bytes\n`));
      const { result, answer } = decide(parseBody(body), forced);
      return finish(result, { status: 200, type: 'application/json', body: JSON.stringify(answer) });
    } catch (error) {
      if (error instanceof UsvhostError && error.code === 'USV_REVIEW') {
        log.warn({ code: error.code }, error.message);
        return finish(error.code, plain(400, `${error.message}\n`));
      }
      log.error({ err: error }, 'a review failed');
      return finish('USV_INTERNAL', plain(500, 'the log of the webhook says why\n'));
    }
  }
}

/** Undefined when it is too large; what is left of it is not read. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBodyBytes) return undefined;
      chunks.push(chunk);
    }
  } catch (cause) {
    // The client has gone, or was sent away because it was slow.
    if (errnoOf(cause) !== 'ECONNRESET') throw cause;
    throw usvError('USV_REVIEW', {
      what: 'the body',
      expected: 'all of it',
      got: 'the end of the connection',
      cause,
    });
  }
  return Buffer.concat(chunks);
}

function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw usvError('USV_REVIEW', { what: 'the body', expected: 'JSON', got: 'something else', cause });
  }
}
