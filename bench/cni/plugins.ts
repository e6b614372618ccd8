// SPDX-License-Identifier: Apache-2.0
//
// The CNI plugins that are compared: how each is started and configured.

import { join } from 'node:path';
import { shimFile } from '../../cli/demo/node.ts';

export const debianPlugins = '/usr/lib/cni';

/** `true`: the floor, what the start of any program costs. */
export type PluginName = 'usvhost' | 'bridge' | 'loopback' | 'true';

export interface Plugin {
  readonly file: string;
  /** Network configuration; `directory` takes the leases of host-local. */
  config(directory: string, device: string): object;
  /** The same without an address plugin; who has no addresses of its own gets none. */
  withoutIpam(address: string, device: string): object;
}

function hostLocal(directory: string): object {
  return { type: 'host-local', dataDir: join(directory, 'leases'), ranges: [[{ subnet: '10.9.0.0/16' }]] };
}

const network = (type: PluginName) => ({ cniVersion: '1.0.0', name: 'bench', type });

export const plugins: Readonly<Record<PluginName, Plugin>> = {
  usvhost: {
    file: shimFile,
    config: (directory, deviceID) => ({
      ...network('usvhost'),
      deviceID,
      ipam: hostLocal(directory),
    }),
    withoutIpam: (address, deviceID) => ({ ...network('usvhost'), deviceID, ips: [address] }),
  },
  bridge: {
    file: join(debianPlugins, 'bridge'),
    config: (directory) => ({
      ...network('bridge'),
      bridge: 'bench0',
      ipam: hostLocal(directory),
    }),
    withoutIpam: () => ({ ...network('bridge'), bridge: 'bench0' }),
  },
  loopback: {
    file: join(debianPlugins, 'loopback'),
    config: () => network('loopback'),
    withoutIpam: () => network('loopback'),
  },
  true: { file: '/bin/true', config: () => ({}), withoutIpam: () => ({}) },
};
