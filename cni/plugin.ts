// SPDX-License-Identifier: Apache-2.0
//
// One CNI call from the shim's request to the bytes it prints and the code it exits with. Every failure becomes an error
// object of the specification (CNI 1.1.0, section 5, "Error"), on standard output, where libcni reads it.

import { UsvhostError, usvFailure } from '../lib/errors.ts';
import type { Call, CniDeps } from './call.ts';
import { type CniVersion, latestVersion, parseStdin, readVersion, supportedVersions } from './config.ts';
import { readCommand } from './environment.ts';
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
}

type Verb = (call: Call, deps: CniDeps) => Promise<Record<string, unknown> | void>;

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
  const fields = { command: request.command, containerId: request.containerId, ifname: request.ifname };
  let version: CniVersion = latestVersion;
  try {
    const command = readCommand(request);
    const input = parseStdin(request.stdin);
    version = supportedVersions.find((known) => known === input['cniVersion']) ?? latestVersion;
    readVersion(input);
    const result = await verbs[command]({ command, request, input, version, steps }, deps);
    deps.log.info({ ...fields, millis: Math.round(performance.now() - started) }, 'CNI call done');
    return { exitCode: 0, stdout: result === undefined ? '' : `${JSON.stringify(result)}\n` };
  } catch (thrown) {
    const error =
      thrown instanceof UsvhostError ? thrown : usvFailure('USV_INTERNAL', String(thrown), { cause: thrown });
    deps.log.warn(
      { ...fields, err: error, millis: Math.round(performance.now() - started) },
      'CNI call failed',
    );
    const body = {
      cniVersion: version,
      code: error.cniCode,
      msg: `${error.code}: ${error.details}`,
      details: error.next,
    };
    return { exitCode: 1, stdout: `${JSON.stringify(body)}\n` };
  }
}
