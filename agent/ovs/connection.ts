// SPDX-License-Identifier: Apache-2.0
//
// One JSON-RPC connection to ovsdb-server on its unix socket (RFC 7047, 4): requests with a deadline each, notifications,
// and the answer to `echo`, without which the server hangs up. It ends once and is not used again; it knows no table.

import { connect, type Socket } from 'node:net';
import { errnoOf } from '../../lib/errno.ts';
import { type UsvhostError, usvError, usvFailure } from '../../lib/errors.ts';
import { JsonFrames } from './json-frames.ts';

export interface ConnectionOptions {
  readonly path: string;
  /** Longest wait for an answer. Default 5000. */
  readonly deadlineMillis?: number;
  readonly onNotification?: (method: string, params: readonly unknown[]) => void;
  /** Called once, however the connection ends. */
  readonly onClose?: (reason: UsvhostError) => void;
}

interface Waiting {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: UsvhostError) => void;
  readonly timer: NodeJS.Timeout;
}

/** A text of the server for a log or an error, not longer than is useful. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

export class OvsdbConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #frames = new JsonFrames();
  readonly #waiting = new Map<number, Waiting>();
  #serial = 0;
  #ended: UsvhostError | undefined;

  private constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#end(`the connection failed: ${errnoOf(error)}`));
    socket.on('close', () => this.#end('the connection was closed'));
  }

  /** Throws USV_SWITCH_UNREACHABLE when nobody listens at the path. */
  static open(options: ConnectionOptions): Promise<OvsdbConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(options.path);
      const refused = (cause: Error): void => {
        const reason = errnoOf(cause) === 'ENOENT' ? 'there is no such socket' : errnoOf(cause);
        const text = `ovsdb-server does not answer at ${options.path}: ${reason}`;
        reject(usvFailure('USV_SWITCH_UNREACHABLE', text, { cause }));
      };
      socket.once('error', refused);
      socket.once('connect', () => {
        socket.off('error', refused);
        resolve(new OvsdbConnection(socket, options));
      });
    });
  }

  get open(): boolean {
    return this.#ended === undefined;
  }

  /** Throws USV_SWITCH_UNREACHABLE when no answer comes, USV_OVS when the server refuses. */
  request(method: string, params: readonly unknown[]): Promise<unknown> {
    return this.#send([{ method, params }])[0] ?? Promise.resolve();
  }

  /** Several requests in one write: the server has them all or none, whatever becomes of us afterwards. */
  requests(
    calls: readonly { readonly method: string; readonly params: readonly unknown[] }[],
  ): Promise<unknown[]> {
    return Promise.all(this.#send(calls));
  }

  close(): void {
    this.#end('closed by the agent');
  }

  #send(
    calls: readonly { readonly method: string; readonly params: readonly unknown[] }[],
  ): Promise<unknown>[] {
    const ended = this.#ended;
    if (ended !== undefined) return calls.map(() => Promise.reject(ended));
    const numbered = calls.map((call) => ({ ...call, id: ++this.#serial }));
    const answers = numbered.map(({ method, id }) => this.#answer(method, id));
    this.#socket.write(numbered.map((call) => JSON.stringify(call)).join(''));
    return answers;
  }

  #answer(method: string, id: number): Promise<unknown> {
    const { deadlineMillis = 5000 } = this.#options;
    return new Promise((resolve, reject) => {
      const late = (): void => this.#end(`no answer to ${method} within ${deadlineMillis} ms`);
      this.#waiting.set(id, { method, resolve, reject, timer: setTimeout(late, deadlineMillis) });
    });
  }

  #read(chunk: Buffer): void {
    try {
      for (const message of this.#frames.push(chunk)) this.#take(message);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
    }
  }

  #take({ id, method, params, result, error }: Record<string, unknown>): void {
    if (typeof method === 'string') {
      const given = Array.isArray(params) ? params : [];
      if (method === 'echo') this.#socket.write(JSON.stringify({ id, result: given, error: null }));
      else this.#options.onNotification?.(method, given);
      return;
    }
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) return;
    this.#waiting.delete(Number(id));
    clearTimeout(waiting.timer);
    if (error === null || error === undefined) waiting.resolve(result);
    else
      waiting.reject(
        usvError('USV_OVS', {
          what: `the request ${waiting.method} to ${this.#options.path}`,
          expected: 'a result',
          got: shown(error),
        }),
      );
  }

  #end(reason: string): void {
    if (this.#ended !== undefined) return;
    const text = `ovsdb-server at ${this.#options.path}: ${reason}`;
    const ended = usvFailure('USV_SWITCH_UNREACHABLE', text);
    this.#ended = ended;
    this.#socket.destroy();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(ended);
    }
    this.#waiting.clear();
    this.#options.onClose?.(ended);
  }
}
