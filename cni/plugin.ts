// SPDX-License-Identifier: Apache-2.0
//
// One CNI call from the shim's request to the bytes it prints and the code it exits with. Every failure becomes an error
// object of the specification (CNI 1.1.0, section 5, "Error"), on standard output, where libcni reads it.

import { UsvhostError, usvFailure } from '../lib/errors.ts';
import type { Call, CallResult, CniDeps, VerbDeps } from './call.ts';
import { AttachmentLog } from './call-log.ts';
import { type CniVersion, latestVersion, parseStdin, readVersion, supportedVersions } from './config.ts';
import { readArgs, readCommand } from './environment.ts';
import { podOf } from './pod-identity.ts';
import type { Steps } from './session.ts';
import type { ShimRequest } from './shim-protocol.ts';
import { add } from './verbs/add.ts';
import { check } from './verbs/check.ts';
import { del } from './verbs/del.ts';
import { gc } from './verbs/gc.ts';
import { status } from './verbs/status.ts';

export interface CniAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly result: CallResult;
  /** What it failed with. */
  readonly error?: UsvhostError;
}

type Verb = (call: Call, deps: VerbDeps) => Promise<Record<string, unknown> | void>;

const verbs: Readonly<Record<Call['command'], Verb>> = {
  ADD: add,
  DEL: del,
  CHECK: check,
  GC: gc,
  STATUS: status,
};

/** Answers one call; never throws. */
export async function answer(request: ShimRequest, steps: Steps, deps: CniDeps): Promise<CniAnswer> {
  const started = performance.now();
  const log = new AttachmentLog(deps.log, fieldsOf(request));
  let version: CniVersion = latestVersion;
  try {
    const command = readCommand(request);
    const input = parseStdin(request.stdin);
    version = supportedVersions.find((known) => known === input['cniVersion']) ?? latestVersion;
    readVersion(input);
    const result = await verbs[command]({ command, request, input, version, steps }, { ...deps, log });
    log.info({ millis: Math.round(performance.now() - started) }, 'CNI call done');
    const stdout = result === undefined ? '' : `${JSON.stringify(result)}\n`;
    return { exitCode: 0, stdout, result: 'OK' };
  } catch (thrown) {
    const error =
      thrown instanceof UsvhostError ? thrown : usvFailure('USV_INTERNAL', String(thrown), { cause: thrown });
    log.warn({ err: error, millis: Math.round(performance.now() - started) }, 'CNI call failed');
    const body = {
      cniVersion: version,
      code: error.cniCode,
      msg: `${error.code}: ${error.details}`,
      details: error.next,
    };
    return { exitCode: 1, stdout: `${JSON.stringify(body)}\n`, result: error.code, error };
  }
}

/** What a request says of its attachment, before it has been checked. */
function fieldsOf(request: ShimRequest): Record<string, unknown> {
  const { command, containerId, ifname } = request;
  const fields = { command, containerId, ifname };
  try {
    const pod = Object.entries(podOf(readArgs(request))).filter(([, value]) => value !== null);
    return { ...fields, ...Object.fromEntries(pod) };
  } catch (error) {
    // The verb refuses such variables, where it needs them.
    if (!(error instanceof UsvhostError)) throw error;
    return fields;
  }
}
