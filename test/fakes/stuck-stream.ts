// SPDX-License-Identifier: Apache-2.0
//
// A client of a server stream that does not read until told to, by HTTP/2 itself: a gRPC client reads ahead on its own.
// The request is an empty message.

import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';

/** Bytes the server may send before it is read from; the least that makes it full soon. */
const window = 1024;

/** The part of a generated method definition that is needed. */
export interface StreamMethod<Message> {
  readonly path: string;
  readonly responseDeserialize: (bytes: Buffer) => Message;
}

export class StuckStream<Message> {
  readonly #method: StreamMethod<Message>;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  /** Resolves when the server has accepted the call. */
  readonly open: Promise<unknown>;

  constructor(socketPath: string, method: StreamMethod<Message>) {
    this.#method = method;
    this.#session = connectHttp2('http://localhost', {
      createConnection: () => connect(socketPath),
      settings: { initialWindowSize: window },
    });
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': method.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    // A server that stops cuts us.
    this.#stream.on('error', () => {});
    this.#session.on('error', () => {});
    this.open = once(this.#stream, 'response');
    // An empty message: not compressed, length 0 (gRPC over HTTP/2, Length-Prefixed-Message).
    this.#stream.end(Buffer.alloc(5));
  }

  /** Reads at last: every event up to and with the first for which `wanted` holds. */
  async readUntil(wanted: (event: Message) => boolean): Promise<Message[]> {
    const events: Message[] = [];
    let rest = Buffer.alloc(0);
    for await (const chunk of this.#stream) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        const event = this.#method.responseDeserialize(rest.subarray(5, end));
        rest = rest.subarray(end);
        events.push(event);
        if (wanted(event)) return events;
      }
    }
    throw new Error(`the stream ended after ${events.length} events`);
  }

  close(): void {
    this.#session.destroy();
  }
}
