// SPDX-License-Identifier: Apache-2.0
//
// gRPC over unix sockets in the file system: serve a server on a path, make a client for a path. Every daemon of the
// project listens and dials through here, so that mode, stale sockets and the `unix:` target are right once.

import { randomBytes } from 'node:crypto';
import { accessSync, chmodSync, constants, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  type Server,
  ServerCredentials,
} from '@grpc/grpc-js';
import { errnoOf } from '../lib/errno.ts';
import { usvFailure } from '../lib/errors.ts';
import { checkSocketPath } from '../lib/names.ts';
import { fileIdentity, releaseSocketName, takeSocketName } from './socket-file.ts';

export interface ServeOptions {
  readonly socketPath: string;
  /** Permission bits the socket has from its first moment under this name. */
  readonly mode: number;
  /**
   * Runs when the name is ours and before any request can be read; when it throws, the name is given back and the
   * error goes on. The place for what only one daemon per name may do.
   */
  readonly prepare?: () => void;
}

export interface ServedSocket {
  readonly path: string;
  /** False once the file was removed or replaced by somebody else. */
  present(): boolean;
  /** Removes the socket, lets calls under way end for `graceMillis` (default 1000), then cuts them. */
  close(options?: { readonly graceMillis?: number }): Promise<void>;
}

/**
 * Listens on a unix socket. A socket file without a listener is replaced.
 * Throws USV_SOCKET_PATH (over 107 bytes), USV_RUNNING (another process listens there), USV_IO.
 */
export async function serve(server: Server, options: ServeOptions): Promise<ServedSocket> {
  const path = checkSocketPath(options.socketPath);
  checkDirectory(path);
  // Listening starts under a name nobody dials, and libuv unlinks that name, not ours, when the server closes.
  const temporary = join(dirname(path), `.${randomBytes(3).toString('hex')}`);
  await bind(server, temporary, path);
  let identity = '';
  try {
    chmodSync(temporary, options.mode);
    await takeSocketName(temporary, path);
    identity = fileIdentity(path) ?? '';
    options.prepare?.();
  } catch (error) {
    server.forceShutdown();
    rmSync(temporary, { force: true });
    if (identity !== '') releaseSocketName(path, identity);
    throw error;
  }
  return {
    path,
    present: () => fileIdentity(path) === identity,
    close: async ({ graceMillis = 1000 } = {}) => {
      try {
        releaseSocketName(path, identity);
      } finally {
        await shutdown(server, graceMillis);
      }
    },
  };
}

// grpc-js would report a missing directory on the console as well.
function checkDirectory(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw usvFailure('USV_IO', `cannot listen on ${path}: its directory: ${errnoOf(error)}`, {
      cause: error,
    });
  }
}

function bind(server: Server, temporary: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${temporary}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(usvFailure('USV_IO', `cannot listen on ${path}: ${error.message}`, { cause: error }));
    });
  });
}

function shutdown(server: Server, graceMillis: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMillis);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Constructor of a generated client, as proto/load.ts exports them. */
export type ClientConstructor<Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ChannelOptions>,
) => Client;

/**
 * Makes a client for the server on `socketPath`; nothing is connected until the first call. Servers on one machine come
 * back within milliseconds, hence pauses of 20 ms to `maxBackoffMillis` (default 100) between attempts to connect
 * instead of gRPC's seconds. An answer has at most `maxMessageBytes` (default 4 MiB, gRPC's own).
 */
export function dial<Client>(
  constructor: ClientConstructor<Client>,
  socketPath: string,
  options: { readonly maxBackoffMillis?: number; readonly maxMessageBytes?: number } = {},
): Client {
  return new constructor(`unix:${socketPath}`, credentials.createInsecure(), {
    // Not the path: it is no legal HTTP/2 authority.
    'grpc.default_authority': 'localhost',
    'grpc.initial_reconnect_backoff_ms': 20,
    'grpc.max_reconnect_backoff_ms': options.maxBackoffMillis ?? 100,
    'grpc.use_local_subchannel_pool': 1,
    ...(options.maxMessageBytes === undefined
      ? {}
      : { 'grpc.max_receive_message_length': options.maxMessageBytes }),
  });
}
