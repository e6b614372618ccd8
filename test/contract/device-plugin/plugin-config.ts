// SPDX-License-Identifier: Apache-2.0
//
// The device plugin's configuration in tests: four ports, directories of the user who runs the test.

import type { DevicePluginConfig } from '../../../device-plugin/offers.ts';
import { agentConfigSchema } from '../../../lib/config/agent.ts';

export function pluginConfig(config: Partial<DevicePluginConfig>): DevicePluginConfig {
  const defaults = agentConfigSchema.parse({
    ports: 4,
    podDirUid: process.getuid?.(),
    podDirGid: process.getgid?.(),
    tunDevice: '/dev/null',
  });
  return { ...defaults, ...config };
}
