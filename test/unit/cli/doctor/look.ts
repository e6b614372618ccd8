// SPDX-License-Identifier: Apache-2.0
//
// Looks at a switch as tests of the doctor write them.

import { mkdirSync, writeFileSync } from 'node:fs';
import type { PortMount } from '../../../../cli/doctor/mounts.ts';
import type { Look, SeenPort } from '../../../../cli/ports/look.ts';
import type { HostPaths } from '../../../../lib/names.ts';
import type { PortContract } from '../../../../lib/port-contract.ts';
import { contract } from '../../dataplane/contract.ts';

type PortFields = Partial<Omit<SeenPort['port'], 'counters'>>;

/** A port that is up and of the pod default/app; `contract`: of its port.json. */
export function seenPort(
  name: string,
  more: PortFields = {},
  counters: Readonly<Record<string, string>> = {},
): SeenPort {
  return {
    port: {
      spec: { name, socket_mode: 0o666, mac: contract.mac, mtu: 1500, role: 'listen', network: 'fast' },
      socket_path: `/${name}`,
      state: 'up',
      features: String(0x1_4000_0000n),
      last_error: '',
      connections: '1',
      counters: { ...counters },
      ...more,
    },
    contract: { ...contract, pod: { namespace: 'default', name: 'app' } },
  };
}

export function lookOf(at: number, ...ports: readonly SeenPort[]): Look {
  return {
    at,
    what: 'usvhost switch',
    stepMillis: 1000,
    ports: new Map(ports.map((seen) => [seen.port.spec?.name ?? '', seen])),
  };
}

export function mountOf(port: string, more: Partial<PortMount> = {}): PortMount {
  return { point: `/pods/port-0/net1`, device: 'port-0', ifname: 'net1', port, orphaned: false, ...more };
}

/** The directory of a port with its port.json, `more` over a good one. */
export function writePort(paths: HostPaths, name: string, more: Partial<PortContract> = {}): void {
  mkdirSync(paths.portDir(name), { recursive: true });
  const host = paths.portSocket(name);
  const document: PortContract = { ...contract, socket: { ...contract.socket, host }, ...more };
  writeFileSync(`${paths.portDir(name)}/port.json`, JSON.stringify(document));
}
