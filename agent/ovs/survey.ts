// SPDX-License-Identifier: Apache-2.0
//
// One look at Open vSwitch for people: its version, and our ports with what it counts. It changes nothing.

import type { SwitchPort } from '../../cni/call.ts';
import { type BridgeOptions, checkBridge } from './bridge.ts';
import { countersOf, marksOf, portOf } from './port-rows.ts';
import { Session } from './session.ts';
import { text } from './values.ts';
import { requireVswitchd } from './vswitchd.ts';

export interface SurveyedPort extends SwitchPort {
  readonly name: string;
  /** What it was asked for with; the bridge does not keep networks apart. */
  readonly network: string;
  /** By the names of our own switch, from the pod's point of view; others are its own, with `ovs_` before them. */
  readonly counters: Readonly<Record<string, string>>;
}

export interface Survey {
  readonly version: string;
  readonly ports: readonly SurveyedPort[];
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
        return face === undefined
          ? []
          : [
              {
                ...portOf(face, port),
                name,
                network: marksOf(port).network ?? '',
                counters: countersOf(face),
              },
            ];
      });
    return { version, ports: ports.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
  } finally {
    session.close();
  }
}
