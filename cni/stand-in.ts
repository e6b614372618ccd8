// SPDX-License-Identifier: Apache-2.0
//
// A DEL of one container done with the hands of another container's call: for what was left by a pod that has no call of
// its own any more. The shim's network namespace is another pod's, so the request has none; plugins get the variables of
// the attachment that is deleted.

import type { Attachment } from './attachment.ts';
import type { Call } from './call.ts';
import { latestVersion, parseStdin, supportedVersions } from './config.ts';
import { argsOf } from './pod-identity.ts';
import type { Steps } from './session.ts';
import type { Behalf, ShimRequest } from './shim-protocol.ts';

/** Longest CNI_ARGS that a plugin is given again; longer ones are made by nobody. */
const maxArgs = 1000;

/** A DEL that a shim wrote down. Throws USV_STDIN_JSON. */
export function standInForRequest(request: ShimRequest, steps: Steps): Call {
  const { containerId = '', ifname = '', args = '' } = request;
  const given = Buffer.byteLength(args) <= maxArgs ? args : '';
  return standIn(steps, { containerId, ifname, args: given }, parseStdin(request.stdin));
}

/** The DEL of a record. */
export function standInForRecord(record: Attachment, steps: Steps): Call {
  const { containerId, runtimeIfname: ifname, ipamConfig } = record;
  const input = ipamConfig === null ? {} : parseStdin(Buffer.from(ipamConfig));
  return standIn(steps, { containerId, ifname, args: argsOf(record) }, input);
}

function standIn(steps: Steps, behalf: Behalf, input: Call['input']): Call {
  const version = supportedVersions.find((known) => known === input['cniVersion']) ?? latestVersion;
  const request: ShimRequest = {
    ...behalf,
    command: 'DEL',
    netns: undefined,
    path: undefined,
    stdin: Buffer.alloc(0),
  };
  return { command: 'DEL', request, input, version, steps, behalf };
}
