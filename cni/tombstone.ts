// SPDX-License-Identifier: Apache-2.0
//
// What the shim writes down of a DEL that found no agent: the frame that it would have sent. This file says what a good
// one is; where they lie and what becomes of them is the agent's.

import { usvError } from '../lib/errors.ts';
import type { AttachmentKey } from './attachment.ts';
import { parseStdin, readForDelete } from './config.ts';
import { readAttachment } from './environment.ts';
import {
  decodeHeader,
  decodeRequest,
  frameKinds,
  headerBytes,
  maxBody,
  type ShimRequest,
} from './shim-protocol.ts';

/** A larger file is none of ours. */
export const maxTombstoneBytes = headerBytes + maxBody;

export interface WrittenDel {
  readonly request: ShimRequest;
  readonly key: AttachmentKey;
  /** Whether a plugin has addresses to give back. */
  readonly ipam: boolean;
}

/** Throws USV_MESSAGE, USV_CNI_ENV or USV_STDIN_JSON for anything but a whole DEL of an attachment. */
export function decodeTombstone(bytes: Buffer): WrittenDel {
  const refuse = (expected: string, got: string) =>
    usvError('USV_MESSAGE', { what: 'a tombstone', expected, got });
  if (bytes.length < headerBytes || bytes.length > maxTombstoneBytes) {
    throw refuse(`${headerBytes} to ${maxTombstoneBytes} bytes`, String(bytes.length));
  }
  const { kind, length } = decodeHeader(bytes);
  const body = bytes.subarray(headerBytes);
  if (kind !== frameKinds.request || length !== body.length) {
    throw refuse('one request', `frame ${kind} of ${length} bytes in ${body.length}`);
  }
  const request = decodeRequest(body);
  if (request.command !== 'DEL') throw refuse('a DEL', JSON.stringify(request.command ?? null));
  const { containerId, ifname } = readAttachment(request);
  const config = readForDelete(parseStdin(request.stdin));
  const key = { containerId, ifname: config.ifName ?? ifname };
  return { request, key, ipam: config.ipamType !== undefined };
}
