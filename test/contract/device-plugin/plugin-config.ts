// SPDX-License-Identifier: Apache-2.0
//
// The device plugin's configuration in tests: four ports.

import type { DevicePluginConfig } from '../../../device-plugin/offers.ts';
import { agentConfigSchema } from '../../../lib/config/agent.ts';

export function pluginConfig(config: Partial<DevicePluginConfig>): DevicePluginConfig {
  const defaults = agentConfigSchema.parse({
    ports: 4,
    tunDevice: '/dev/null',
  });
  return { ...defaults, ...config };
}
