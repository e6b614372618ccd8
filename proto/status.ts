// SPDX-License-Identifier: Apache-2.0
//
// Our errors as gRPC statuses and back. The code of the error table travels in the metadata `usvhost-code`, so that a
// caller acts on USV_... and never on the wording or on the coarse gRPC status alone.

import { Metadata, type ServerErrorResponse, type ServiceError, status } from '@grpc/grpc-js';
import { type ErrorCode, isErrorCode, UsvhostError, usvFailure } from '../lib/errors.ts';

/** Metadata key that carries the code of the error table. */
export const codeKey = 'usvhost-code';

/** The response to a failed call: whatever is not a UsvhostError becomes USV_INTERNAL. */
export function toStatus(error: unknown): ServerErrorResponse {
  const known =
    error instanceof UsvhostError ? error : usvFailure('USV_INTERNAL', String(error), { cause: error });
  const metadata = new Metadata();
  metadata.set(codeKey, known.code);
  return Object.assign(new Error(known.details, { cause: error }), {
    code: status[known.grpcStatus],
    details: known.details,
    metadata,
  });
}

export interface Peer {
  /** What the message calls the other side, for example `the switch at /run/usvhost/switch.sock`. */
  readonly peer: string;
  /** Code for a peer that does not answer at all: UNAVAILABLE or DEADLINE_EXCEEDED. */
  readonly unreachable: ErrorCode;
  /** Code for a refusal without a code of ours; default `unreachable`. */
  readonly refused?: ErrorCode;
}

/** The error of a failed call as one of ours. */
export function fromStatus(error: ServiceError, peer: Peer): UsvhostError {
  const code = String(error.metadata?.get(codeKey)[0] ?? '');
  if (isErrorCode(code)) return usvFailure(code, error.details, { cause: error });
  if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) {
    return usvFailure(peer.unreachable, `${peer.peer} does not answer: ${error.details}`, { cause: error });
  }
  const refused = peer.refused ?? peer.unreachable;
  const name = status[error.code] ?? String(error.code);
  return usvFailure(refused, `${peer.peer} refused the call (${name}): ${error.details}`, { cause: error });
}
