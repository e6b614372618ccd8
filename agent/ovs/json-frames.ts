// SPDX-License-Identifier: Apache-2.0
//
// Finds the messages in OVSDB's byte stream: JSON objects one after the other with nothing between them (RFC 7047, 4). It
// counts braces outside of strings and leaves the rest to JSON.parse. A message has a largest size, so that a peer which is
// not OVSDB cannot fill the memory.

import { usvError } from '../../lib/errors.ts';

/** The schema is 27 kB; a first reply with thousands of ports has some MB. */
const defaultMaxBytes = 64 << 20;

const [quote, backslash, open, close] = [0x22, 0x5c, 0x7b, 0x7d];
const blanks: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

export class JsonFrames {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  /** Bytes in #parts. */
  #size = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(maxBytes = defaultMaxBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Takes what was read and returns the objects that it completes. Throws USV_MESSAGE; then nothing more can be read. */
  push(chunk: Buffer): Record<string, unknown>[] {
    const messages: Record<string, unknown>[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (this.#depth === 0 && byte !== open) {
        if (!blanks.has(byte)) throw broken('an object', JSON.stringify(String.fromCodePoint(byte)));
        start = at + 1;
      } else if (this.#ends(byte)) {
        messages.push(parse(this.#take(chunk.subarray(start, at + 1))));
        start = at + 1;
      }
    }
    this.#keep(chunk.subarray(start));
    return messages;
  }

  /** Whether the byte is the last one of a message. */
  #ends(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) this.#inString = false;
      return false;
    }
    if (byte === quote) this.#inString = true;
    else if (byte === open) this.#depth++;
    else if (byte === close) this.#depth--;
    return this.#depth === 0;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > this.#maxBytes) throw broken(`at most ${this.#maxBytes} bytes`, 'more');
    if (part.length > 0) this.#parts.push(part);
  }

  #take(last: Buffer): Buffer {
    this.#keep(last);
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    return whole;
  }
}

function parse(bytes: Buffer): Record<string, unknown> {
  try {
    return Object.fromEntries(Object.entries(JSON.parse(bytes.toString('utf8')) as object));
  } catch (cause) {
    throw broken('JSON', cause instanceof Error ? cause.message : String(cause));
  }
}

function broken(expected: string, got: string): Error {
  return usvError('USV_MESSAGE', { what: 'a message of ovsdb-server', expected, got });
}
