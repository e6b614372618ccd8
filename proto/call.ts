// SPDX-License-Identifier: Apache-2.0
//
// Unary calls as promises on both sides, with errors of the error table at either end. Streams have no common form and
// stay with their owners.

import type { ClientUnaryCall, handleUnaryCall, requestCallback } from '@grpc/grpc-js';
import { fromStatus, type Peer, toStatus } from './status.ts';

/**
 * Makes one call: `unary((done) => client.AddPort(spec, { deadline }, done), peer)`.
 * Rejects with a UsvhostError: the peer's own code, or `peer.unreachable`.
 */
export function unary<Response>(
  start: (callback: requestCallback<Response>) => ClientUnaryCall,
  peer: Peer,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error !== null) reject(fromStatus(error, peer));
      else if (response === undefined) reject(new TypeError('gRPC gave neither an error nor a response'));
      else resolve(response);
    });
  });
}

/**
 * Makes a handler of a function that returns the response or throws; `onError` sees each failure before it is sent.
 */
export function handleUnary<Request, Response>(
  handler: (request: Request) => Response | Promise<Response>,
  onError: (error: unknown, request: Request) => void,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const answer = async (): Promise<Response> => handler(call.request);
    answer().then(
      (response) => callback(null, response),
      (error: unknown) => {
        onError(error, call.request);
        callback(toStatus(error));
      },
    );
  };
}
