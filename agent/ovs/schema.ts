// SPDX-License-Identifier: Apache-2.0
//
// What we use of the database Open_vSwitch (ovs-vswitchd.conf.db(5)), and whether a server has it: a missing column is
// said at once and by its name, not by a refused transaction later.

import { usvError } from '../../lib/errors.ts';

export const databaseName = 'Open_vSwitch';

const needed = {
  Open_vSwitch: ['bridges', 'next_cfg', 'cur_cfg', 'dpdk_initialized', 'ovs_version'],
  Bridge: ['name', 'ports', 'datapath_type', 'external_ids'],
  Port: ['name', 'interfaces', 'tag', 'trunks', 'vlan_mode', 'qos', 'external_ids'],
  Interface: [
    ...['name', 'type', 'options', 'mtu_request', 'external_ids', 'error', 'ofport', 'link_state', 'status'],
    ...['ingress_policing_rate', 'ingress_policing_burst', 'statistics'],
  ],
  QoS: ['type', 'other_config', 'external_ids'],
} as const;

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** Throws USV_OVS with the first table or column that the schema lacks. */
export function checkSchema(schema: unknown, path: string): void {
  for (const [table, columns] of Object.entries(needed)) {
    const known = member(member(member(schema, 'tables'), table), 'columns');
    const missing = columns.find((column) => member(known, column) === undefined);
    if (missing === undefined) continue;
    throw usvError('USV_OVS', {
      what: `the database ${databaseName} at ${path}`,
      expected: `the column ${table}.${missing}`,
      got: `the schema ${JSON.stringify(member(schema, 'version') ?? 'of another kind')}`,
    });
  }
}
