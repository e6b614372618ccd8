// SPDX-License-Identifier: Apache-2.0
//
// Requests to the API server, over Node's own HTTPS with what @kubernetes/client-node knows of kubeconfigs, service accounts and
// credentials. That library's generated API classes and its HTTP client would cost every agent 12 MB
// (docs/decisions/060-api-server.md). Nothing of credentials is in an error.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { UsvhostError, usvFailure } from '../../lib/errors.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** From `/api` on, each variable part already encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Of the body. Default application/json. */
  readonly contentType?: string;
  /** Ends the request early. */
  readonly signal?: AbortSignal;
}

export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON; undefined where the answer is none. */
  readonly body: unknown;
}

export interface KubernetesApiOptions {
  /** Reads the credentials; called at the first request, and after each failure, since they may have been replaced. */
  readonly load: () => Promise<KubeConfig>;
  /** Longest time for a request and its whole answer. Default 10000. */
  readonly deadlineMillis?: number;
}

/** More in one answer is refused: a page of the list of pods is the largest. */
const mostBytes = 32 * 1024 * 1024;
/** More in one line of a watch is refused: etcd takes objects of 1.5 MB. */
const mostLineCharacters = 4 * 1024 * 1024;

export class KubernetesApi {
  readonly #options: KubernetesApiOptions;
  readonly #closed = new AbortController();
  #config: Promise<KubeConfig> | undefined;

  constructor(options: KubernetesApiOptions) {
    this.#options = options;
  }

  /** What the server answers, refusals included. @throws UsvhostError USV_KUBERNETES when there is no answer */
  async request(request: ApiRequest): Promise<ApiAnswer> {
    return this.#attempt(request, this.#options.deadlineMillis ?? 10_000, async (response) => {
      const body = await readAll(response);
      return { status: response.statusCode ?? 0, body: parse(body) };
    });
  }

  /**
   * Gives each line of an answer to `onLine` until the server ends it, and resolves with its status; with any other than 200 there is no
   * line. @throws UsvhostError USV_KUBERNETES when the connection fails or lasts longer than `millis`
   */
  async stream(request: ApiRequest, millis: number, onLine: (line: string) => void): Promise<number> {
    return this.#attempt(request, millis, async (response) => {
      if (response.statusCode === 200) await readLines(response, onLine);
      else response.destroy();
      return response.statusCode ?? 0;
    });
  }

  /** Ends all requests. */
  close(): void {
    this.#closed.abort();
  }

  async #attempt<Result>(
    request: ApiRequest,
    millis: number,
    use: (response: IncomingMessage) => Promise<Result>,
  ): Promise<Result> {
    const deadline = AbortSignal.timeout(millis);
    const signals = [
      this.#closed.signal,
      deadline,
      ...(request.signal === undefined ? [] : [request.signal]),
    ];
    try {
      const response = await this.#open(request, AbortSignal.any(signals));
      if (response.statusCode === 401) this.#config = undefined;
      return await use(response);
    } catch (cause) {
      this.#config = undefined;
      if (cause instanceof UsvhostError) throw cause;
      const reason = deadline.aborted ? `no whole answer in ${millis} ms` : reasonOf(cause);
      const what = `${request.method} ${request.path}`;
      throw usvFailure('USV_KUBERNETES', `the API server does not answer ${what}: ${reason}`, { cause });
    }
  }

  async #open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    this.#config ??= this.#options.load();
    const config = await this.#config;
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw usvFailure('USV_KUBERNETES', 'the kubeconfig names no cluster');
    const url = new URL(cluster.server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      'user-agent': 'usvhost-agent',
    };
    if (body !== undefined) {
      headers['content-type'] = request.contentType ?? 'application/json';
      headers['content-length'] = Buffer.byteLength(body);
    }
    const options: RequestOptions = { method: request.method, headers, signal };
    await config.applyToHTTPSOptions(options);
    const outgoing = httpsRequest(url, options);
    // What happens after the answer has begun is seen by whoever reads it.
    outgoing.on('error', () => undefined);
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > mostBytes) throw usvFailure('USV_KUBERNETES', `an answer of more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readLines(response: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') onLine(line);
    if (rest.length > mostLineCharacters)
      throw usvFailure('USV_KUBERNETES', 'a line of a watch without an end');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy on the way answers in its own words; the status says enough.
    return undefined;
  }
}

function reasonOf(cause: unknown): string {
  if (typeof cause === 'object' && cause !== null && 'message' in cause && cause.message !== '')
    return String(cause.message);
  return String(cause);
}
