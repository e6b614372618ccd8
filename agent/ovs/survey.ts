// SPDX-License-Identifier: Apache-2.0
//
// One look at Open vSwitch for people: its version, and our ports with what it counts. It changes nothing.

import type { SwitchPort } from '../../cni/call.ts';
import { type BridgeOptions, checkBridge } from './bridge.ts';
import { marksOf, portOf } from './port-rows.ts';
import { Session } from './session.ts';
import { type Row, text } from './values.ts';
import { requireVswitchd } from './vswitchd.ts';

export interface SurveyedPort extends SwitchPort {
  readonly name: string;
  /** By the names of our own switch, from the pod's point of view; others are its own, with `ovs_` before them. */
  readonly counters: Readonly<Record<string, string>>;
}

export interface Survey {
  readonly version: string;
  readonly ports: readonly SurveyedPort[];
}

/** What comes into the switch is what the pod has sent. */
const ourNames: Readonly<Record<string, string>> = {
  rx_packets: 'tx_packets',
  rx_bytes: 'tx_bytes',
  tx_packets: 'rx_packets',
  tx_bytes: 'rx_bytes',
};

function countersOf(face: Row): Record<string, string> {
  const [, pairs] = Array.isArray(face['statistics']) ? (face['statistics'] as unknown[]) : [];
  const entries = Array.isArray(pairs) ? (pairs as unknown[][]) : [];
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const name = String(key);
      return [ourNames[name] ?? (name.startsWith('ovs_') ? name : `ovs_${name}`), String(value)];
    }),
  );
}

/** Throws USV_SWITCH_UNREACHABLE, USV_OVS. */
export async function surveyOvs(options: BridgeOptions & { readonly database: string }): Promise<Survey> {
  const { database, owner } = options;
  const session = await Session.open({ path: database, owner });
  try {
    const version = await requireVswitchd(session, database);
    await checkBridge(session, options);
    const faces = await session.select('Interface');
    const byName = new Map(faces.map((face) => [text(face['name']), face]));
    const ports = (await session.select('Port'))
      .filter((port) => marksOf(port).owner === owner)
      .flatMap((port) => {
        const name = text(port['name']);
        const face = byName.get(name);
        return face === undefined ? [] : [{ name, ...portOf(face, port), counters: countersOf(face) }];
      });
    return { version, ports: ports.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
  } finally {
    session.close();
  }
}
