// SPDX-License-Identifier: Apache-2.0
//
// The agent's configuration for a test's root: defaults otherwise.

import { type AgentConfig, agentConfigSchema } from '../../../lib/config/agent.ts';

export function agentConfig(root: string): AgentConfig {
  // Outside of the user namespace the agent can give directories to itself only.
  return agentConfigSchema.parse({ root, podDirUid: process.getuid?.(), podDirGid: process.getgid?.() });
}
