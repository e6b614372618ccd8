// SPDX-License-Identifier: Apache-2.0
//
// One look at the switch of a node: its ports, and what port.json in their directories says of them. It changes nothing.

import { Metadata } from '@grpc/grpc-js';
import { usvFailure } from '../../lib/errors.ts';
import type { HostPaths } from '../../lib/names.ts';
import type { PortContract } from '../../lib/port-contract.ts';
import { unary } from '../../proto/call.ts';
import type { ListPortsResponse__Output } from '../../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { Port__Output } from '../../proto/gen/usvhost/switch/v1/Port.ts';
import { Switch } from '../../proto/load.ts';
import { probeSocket } from '../../proto/socket-file.ts';
import { dial } from '../../proto/unix.ts';
import { checkPortJson } from '../check/port-json.ts';

export interface SeenPort {
  readonly port: Port__Output;
  /** Undefined where the directory has no port.json that is one. */
  readonly contract: PortContract | undefined;
}

export interface Look {
  /** Milliseconds of a clock that only runs forward. */
  readonly at: number;
  /** By name, in order. */
  readonly ports: ReadonlyMap<string, SeenPort>;
}

const answerMillis = 10_000;

/** @throws UsvhostError USV_SWITCH_UNREACHABLE when nobody listens or answers within 10 s, USV_IO */
export async function look(paths: HostPaths): Promise<Look> {
  const path = paths.switchSocket;
  const state = await probeSocket(path);
  if (state !== 'live') {
    const why = state === 'absent' ? 'there is no' : 'nobody listens on';
    throw usvFailure('USV_SWITCH_UNREACHABLE', `${why} ${path}`);
  }
  const client = dial(Switch, path);
  try {
    const options = { deadline: Date.now() + answerMillis };
    const { ports } = await unary<ListPortsResponse__Output>(
      (done) => client.ListPorts({}, new Metadata({ waitForReady: true }), options, done),
      { peer: `the switch at ${path}`, unreachable: 'USV_SWITCH_UNREACHABLE' },
    );
    const at = performance.now();
    return { at, ports: new Map(ports.map((port) => [port.spec?.name ?? '', seen(paths, port)])) };
  } finally {
    client.close();
  }
}

function seen(paths: HostPaths, port: Port__Output): SeenPort {
  const { contract } = checkPortJson(paths.portDir(port.spec?.name ?? ''));
  return { port, contract };
}
