// SPDX-License-Identifier: Apache-2.0
//
// The bridge that pods' ports are put on: found, judged, and made only where the configuration says so. It is never
// deleted or changed, whoever made it.

import { usvError, usvFailure } from '../../lib/errors.ts';
import { ownerKey } from './port-rows.ts';
import type { Session } from './session.ts';
import { map, named, type Row, references, set, text, where } from './values.ts';

export interface BridgeOptions {
  readonly bridge: string;
  readonly createBridge: boolean;
  readonly owner: string;
}

/** Id of the bridge's row; undefined when there is none. Throws USV_OVS when it cannot have ports of DPDK. */
async function findBridge(session: Session, name: string): Promise<string | undefined> {
  const [row] = await session.select('Bridge', where('name', name));
  if (row === undefined) return undefined;
  const kind = text(row['datapath_type']);
  if (kind === 'netdev') return references(row['_uuid'])[0];
  throw usvError('USV_OVS', {
    what: `datapath_type of the bridge ${name}`,
    expected: 'netdev, the datapath in user space',
    got: kind === '' ? 'none, which is the kernel' : kind,
  });
}

/** Throws USV_OVS when the bridge is neither there nor to be made. Returns its id where it is there. */
export async function checkBridge(session: Session, options: BridgeOptions): Promise<string | undefined> {
  const { bridge, createBridge } = options;
  const found = await findBridge(session, bridge);
  if (found !== undefined || createBridge) return found;
  const command = `ovs-vsctl add-br ${bridge} -- set bridge ${bridge} datapath_type=netdev`;
  throw usvFailure(
    'USV_OVS',
    `there is no bridge ${bridge}: ${command}, or set ovs.createBridge of the agent`,
  );
}

/** Id of the bridge, which is made where it is to be. Throws USV_OVS. */
export async function requireBridge(session: Session, options: BridgeOptions): Promise<string> {
  const { bridge, owner } = options;
  const found = await checkBridge(session, options);
  if (found !== undefined) return found;
  try {
    await session.transact(insertBridge(bridge, owner));
  } catch (error) {
    // Another ADD, or another agent, may have been faster: of a name there is one bridge.
    const others = await findBridge(session, bridge);
    if (others === undefined) throw error;
    return others;
  }
  const made = await findBridge(session, bridge);
  if (made !== undefined) return made;
  throw usvFailure('USV_OVS', `the bridge ${bridge} was made and is gone`);
}

function insertBridge(name: string, owner: string): Row[] {
  const face = { name, type: 'internal' };
  const port = { name, interfaces: named('face') };
  const row = {
    name,
    datapath_type: 'netdev',
    ports: named('port'),
    external_ids: map({ [ownerKey]: owner }),
  };
  const mutations = [['bridges', 'insert', set([named('bridge')])]];
  return [
    { op: 'insert', table: 'Interface', 'uuid-name': 'face', row: face },
    { op: 'insert', table: 'Port', 'uuid-name': 'port', row: port },
    { op: 'insert', table: 'Bridge', 'uuid-name': 'bridge', row },
    { op: 'mutate', table: 'Open_vSwitch', where: [], mutations },
  ];
}
