// SPDX-License-Identifier: Apache-2.0
//
// The agent's configuration for a test's root: defaults otherwise.

import { type AgentConfig, agentConfigSchema } from '../../../lib/config/agent.ts';

export function agentConfig(root: string, more: object = {}): AgentConfig {
  // Tests run beside each other, and a port can be had by one only.
  return agentConfigSchema.parse({ root, metricsAddress: null, ...more });
}
