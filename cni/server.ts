// SPDX-License-Identifier: Apache-2.0
//
// The agent's socket for CNI shims: accepts, reads one request, lets the handler use the shim's hands, finishes. Bounded
// in size, time and number; calls of one container are done one after the other, those of different ones together.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { UsvhostError, usvFailure } from '../lib/errors.ts';
import { fileIdentity, releaseSocketName, takeSocketName } from '../proto/socket-file.ts';
import type { CallObserver, CallResult } from './call.ts';
import type { CallLog } from './call-log.ts';
import { FrameReader } from './frame-reader.ts';
import type { KeyedQueue } from './keyed-queue.ts';
import type { CniAnswer } from './plugin.ts';
import { ShimSession, type Steps } from './session.ts';
import { decodeRequest, frameKinds, type ShimRequest } from './shim-protocol.ts';

export interface CniServerOptions {
  readonly socketPath: string;
  readonly handle: (request: ShimRequest, steps: Steps) => Promise<CniAnswer>;
  readonly log: CallLog;
  readonly observer?: CallObserver;
  /** Orders the calls of one container. */
  readonly queue: KeyedQueue;
  /** Calls under way or waiting; one more is told to try again. Default 256. */
  readonly maxCalls?: number;
  /** Time for a shim to send its request. Default 5000. */
  readonly requestMillis?: number;
}

export interface CniServer {
  /** False once the socket was removed or replaced by somebody else. */
  present(): boolean;
  /** Takes no new call, waits for those under way, removes the socket. */
  close(): Promise<void>;
}

/** CNI 1.1.0, section 2: try again later. */
const tryAgain = 11;

/**
 * Listens on the agent's socket (mode 0600). A stale socket is replaced.
 * Throws USV_RUNNING when another agent listens there, USV_IO otherwise.
 */
export async function startCniServer(options: CniServerOptions): Promise<CniServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // Every wait on the socket sees its end by itself; this only keeps the event from ending the process.
    socket.on('error', (error) => options.log.info({ error: String(error) }, 'CNI shim connection failed'));
    void serve(socket, options, sockets.size).catch((error: unknown) => {
      // Somebody came, said nothing and went: `usvhost doctor` looks like this whether there is an agent.
      const onlyLooked = socket.bytesRead === 0 && socket.readableEnded;
      if (!onlyLooked) options.log.warn({ err: error }, 'CNI shim refused');
      socket.destroy();
    });
  });
  const path = options.socketPath;
  const temporary = join(dirname(path), `.${randomBytes(3).toString('hex')}`);
  await listen(server, temporary);
  try {
    chmodSync(temporary, 0o600);
    await takeSocketName(temporary, path);
  } catch (error) {
    server.close();
    rmSync(temporary, { force: true });
    throw error;
  }
  const identity = fileIdentity(path) ?? '';
  return {
    present: () => server.listening && fileIdentity(path) === identity,
    close: async () => {
      releaseSocketName(path, identity);
      const closed = once(server, 'close');
      server.close();
      await options.queue.idle();
      for (const socket of sockets) socket.destroySoon();
      await closed;
    },
  };
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw usvFailure('USV_IO', `cannot listen on ${path}: ${String(error)}`, { cause: error });
  }
}

async function serve(socket: Socket, options: CniServerOptions, calls: number): Promise<void> {
  const reader = new FrameReader(socket);
  const session = new ShimSession(socket, reader);
  const frame = await reader.next(options.requestMillis ?? 5000);
  if (frame.kind !== frameKinds.request) {
    throw usvFailure('USV_MESSAGE', `a CNI shim began with frame ${frame.kind}, not with a request`);
  }
  const started = performance.now();
  const request = decodeRequest(frame.body);
  const ended = (result: CallResult): void =>
    options.observer?.ended(request.command, result, (performance.now() - started) / 1000);
  try {
    ended(await perform(request, session, options, calls));
  } catch (error) {
    ended(error instanceof UsvhostError ? error.code : 'USV_INTERNAL');
    throw error;
  }
}

async function perform(
  request: ShimRequest,
  session: ShimSession,
  options: CniServerOptions,
  calls: number,
): Promise<CallResult> {
  const max = options.maxCalls ?? 256;
  if (calls > max) {
    const busy = usvFailure('USV_BUSY', `${max} CNI calls are under way`, { cni: tryAgain });
    session.finish(1, errorText(busy));
    return busy.code;
  }
  const answer = await options.queue.run(request.containerId ?? '', () => options.handle(request, session));
  session.finish(answer.exitCode, answer.stdout);
  return answer.result;
}

function errorText(error: UsvhostError): string {
  const { cniCode: code, details, next } = error;
  return `${JSON.stringify({ cniVersion: '1.1.0', code, msg: `${error.code}: ${details}`, details: next })}\n`;
}
