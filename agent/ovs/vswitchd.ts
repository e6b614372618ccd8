// SPDX-License-Identifier: Apache-2.0
//
// Whether ovs-vswitchd can have ports: it runs, and DPDK has started in it.

import { usvError, usvFailure } from '../../lib/errors.ts';
import type { Session } from './session.ts';
import { elements, text } from './values.ts';

/** `Open vSwitch 3.1.0 with DPDK 22.11.1`. Throws USV_SWITCH_UNREACHABLE, USV_OVS. */
export async function requireVswitchd(session: Session, database: string): Promise<string> {
  if (!(await session.vswitchdRuns()))
    throw usvFailure('USV_SWITCH_UNREACHABLE', `ovs-vswitchd does not run on the database at ${database}`);
  const [row] = await session.select('Open_vSwitch');
  if (elements(row?.['dpdk_initialized'])[0] !== true) {
    const what = `other_config:dpdk-init of Open vSwitch at ${database}`;
    throw usvError('USV_OVS', { what, expected: 'true, and DPDK to start', got: 'no DPDK' });
  }
  // The first is written by the script that starts Open vSwitch, not by itself.
  return `Open vSwitch ${text(row?.['ovs_version'])} with ${text(row?.['dpdk_version']) || 'DPDK'}`.replace(
    '  ',
    ' ',
  );
}
