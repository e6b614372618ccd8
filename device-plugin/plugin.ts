// SPDX-License-Identifier: Apache-2.0
//
// The device plugin as the agent composes it: one pool of ports, offered to the kubelet for as long as it runs. It must
// not know why ports are healthy or not: the agent says so.

import type { Logger } from '../lib/log.ts';
import { hostPaths } from '../lib/names.ts';
import { DevicePool } from './pool.ts';
import { KubeletRegistration } from './registration.ts';
import { createPluginServer } from './server.ts';

/** The part of the agent's configuration that is the device plugin's. */
export interface DevicePluginConfig {
  readonly root: string;
  /** Number of devices. */
  readonly ports: number;
  readonly resourceName: string;
  readonly podDirUid: number;
  readonly podDirGid: number;
  readonly podDirMode: number;
  /** Host path of the tun device node that containers get as /dev/net/tun. */
  readonly tunDevice: string;
}

export interface DevicePluginDeps {
  readonly log: Logger;
  /** Whether the switch can be used at the start; `setHealth` tells of changes. */
  readonly healthy: boolean;
}

export interface RunningDevicePlugin {
  /** Every device becomes healthy or unhealthy; the kubelet hears of it at once. */
  setHealth(healthy: boolean): void;
  /** The kubelet that is there has accepted us. */
  readonly registered: boolean;
  close(): Promise<void>;
}

/**
 * Starts serving, registers with the kubelet as soon as there is one, and again after each of its restarts.
 * Throws USV_RUNNING (another agent serves the same socket), USV_SOCKET_PATH, USV_IO.
 */
export async function startDevicePlugin(
  config: DevicePluginConfig,
  deps: DevicePluginDeps,
): Promise<RunningDevicePlugin> {
  const paths = hostPaths(config.root);
  const { log } = deps;
  const pool = new DevicePool({ count: config.ports, healthy: deps.healthy });
  const owner = { uid: config.podDirUid, gid: config.podDirGid, mode: config.podDirMode };
  const registration = new KubeletRegistration({
    paths,
    resourceName: config.resourceName,
    log,
    createServer: (onStreams) =>
      createPluginServer({ pool, paths, owner, tunDevice: config.tunDevice, log, onStreams }),
  });
  await registration.start();
  return {
    setHealth: (healthy) => {
      if (healthy !== pool.healthy) log.info({ healthy }, 'health of the ports');
      pool.setHealth(healthy);
    },
    get registered() {
      return registration.registered;
    },
    close: () => registration.close(),
  };
}
