// SPDX-License-Identifier: Apache-2.0
//
// The switch that a configuration names.

import type { AgentConfig } from '../lib/config/agent.ts';
import { hostPaths } from '../lib/names.ts';
import type { NodeSwitch } from './node-switch.ts';
import { OvsSwitch } from './ovs/ovs-switch.ts';
import { SwitchClient } from './switch-client.ts';

/** Connects when it is first used. */
export function nodeSwitchOf({
  root,
  switch: kind,
  ovs,
}: Pick<AgentConfig, 'root' | 'switch' | 'ovs'>): NodeSwitch {
  const paths = hostPaths(root);
  if (kind === 'usvhost') return new SwitchClient({ socketPath: paths.switchSocket });
  // The root tells agents that share a database from one another.
  return new OvsSwitch({ ...ovs, owner: root, socketPath: (port) => paths.portSocket(port) });
}
