// SPDX-License-Identifier: Apache-2.0
//
// The CNI plugins that are compared: how each is started and configured.

import { join } from 'node:path';
import { shimFile } from '../../cli/demo/node.ts';

export const debianPlugins = '/usr/lib/cni';

export type PluginName = 'usvhost' | 'bridge' | 'loopback';

export interface Plugin {
  readonly file: string;
  /** Network configuration; `directory` takes the leases of host-local. */
  config(directory: string, device: string): object;
}

function hostLocal(directory: string): object {
  return { type: 'host-local', dataDir: join(directory, 'leases'), ranges: [[{ subnet: '10.9.0.0/16' }]] };
}

export const plugins: Readonly<Record<PluginName, Plugin>> = {
  usvhost: {
    file: shimFile,
    config: (directory, deviceID) => ({
      cniVersion: '1.0.0',
      name: 'bench',
      type: 'usvhost',
      deviceID,
      ipam: hostLocal(directory),
    }),
  },
  bridge: {
    file: join(debianPlugins, 'bridge'),
    config: (directory) => ({
      cniVersion: '1.0.0',
      name: 'bench',
      type: 'bridge',
      bridge: 'bench0',
      ipam: hostLocal(directory),
    }),
  },
  loopback: {
    file: join(debianPlugins, 'loopback'),
    config: () => ({ cniVersion: '1.0.0', name: 'bench', type: 'loopback' }),
  },
};
