// SPDX-License-Identifier: Apache-2.0
//
// One look at the switch of a node: its ports, and what port.json in their directories says of them. It changes nothing.

import { Metadata } from '@grpc/grpc-js';
import { surveyOvs } from '../../agent/ovs/survey.ts';
import { readSwitchChoice, type SwitchChoice } from '../../agent/switch-file.ts';
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
  /** What the switch is, for people. */
  readonly what: string;
  /** Counters are newer after so long. */
  readonly stepMillis: number;
  /** By name, in order. */
  readonly ports: ReadonlyMap<string, SeenPort>;
}

const answerMillis = 10_000;

/** @throws UsvhostError USV_SWITCH_UNREACHABLE when nobody listens or answers in time, USV_OVS, USV_IO */
export async function look(paths: HostPaths): Promise<Look> {
  const choice = readSwitchChoice(paths);
  return choice.switch === 'ovs' ? lookAtOvs(paths, choice) : lookAtOurs(paths);
}

async function lookAtOurs(paths: HostPaths): Promise<Look> {
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
    const what = 'usvhost switch';
    return {
      at,
      what,
      stepMillis: 1000,
      ports: new Map(ports.map((port) => [port.spec?.name ?? '', seen(paths, port)])),
    };
  } finally {
    client.close();
  }
}

async function lookAtOvs(paths: HostPaths, { ovs }: SwitchChoice): Promise<Look> {
  const { version, ports } = await surveyOvs({ ...ovs, owner: paths.root });
  const rows = ports.map((port): [string, SeenPort] => {
    const { name, network, mac, mtu, state, features, lastError, counters } = port;
    const spec = { name, network, mac, mtu, socket_mode: 0, role: 'connect' };
    const status = { state, features: String(features), last_error: lastError, connections: '0' };
    return [
      name,
      seen(paths, { spec, socket_path: paths.portSocket(name), ...status, counters: { ...counters } }),
    ];
  });
  // Open vSwitch writes its statistics into the database every 5 s.
  const what = `${version}, bridge ${ovs.bridge}`;
  return { at: performance.now(), what, stepMillis: 5500, ports: new Map(rows) };
}

function seen(paths: HostPaths, port: Port__Output): SeenPort {
  const { contract } = checkPortJson(paths.portDir(port.spec?.name ?? ''));
  return { port, contract };
}
