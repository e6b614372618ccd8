// SPDX-License-Identifier: Apache-2.0
//
// Turns the byte stream of one shim into frames, each awaited on its own. It keeps no more than one frame's limit in
// memory and reports the end of the connection as an error to whoever waits.

import type { Socket } from 'node:net';
import { usvFailure } from '../lib/errors.ts';
import { decodeHeader, type FrameHeader, headerBytes } from './shim-protocol.ts';

export interface Frame extends FrameHeader {
  readonly body: Buffer;
}

export class FrameReader {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * The next frame. Throws USV_MESSAGE (not our protocol), USV_SHIM_GONE (the connection ended or `timeoutMillis`
   * passed first).
   */
  async next(timeoutMillis: number): Promise<Frame> {
    const timer = setTimeout(() => {
      this.#socket.destroy(usvFailure('USV_SHIM_GONE', `the CNI shim was silent for ${timeoutMillis} ms`));
    }, timeoutMillis);
    try {
      const header = decodeHeader(await this.#take(headerBytes));
      return { ...header, body: header.length === 0 ? Buffer.alloc(0) : await this.#take(header.length) };
    } catch (error) {
      // Where a frame is broken the next one cannot be found; a shim that is still writing must not wait for us.
      this.#socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(size: number): Promise<Buffer> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        socket.off('readable', attempt);
        socket.off('end', ended);
        socket.off('close', ended);
        act();
      };
      const ended = (): void => {
        const cause = socket.errored;
        const known = cause !== null && 'cniCode' in cause;
        finish(() =>
          reject(
            known ? cause : usvFailure('USV_SHIM_GONE', 'the CNI shim ended before the call', { cause }),
          ),
        );
      };
      const attempt = (): void => {
        const chunk: unknown = socket.read(size);
        if (!Buffer.isBuffer(chunk)) {
          if (socket.readableEnded || socket.destroyed) ended();
          return;
        }
        // A stream that has ended gives what is left, however short.
        if (chunk.length < size) ended();
        else finish(() => resolve(chunk));
      };
      socket.on('readable', attempt);
      socket.on('end', ended);
      socket.on('close', ended);
      attempt();
    });
  }
}
