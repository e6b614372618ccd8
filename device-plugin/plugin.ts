// SPDX-License-Identifier: Apache-2.0
//
// The device plugin as the agent composes it: one pool of ports, offered to the kubelet for as long as it runs. It must
// not know why ports are healthy or not: the agent says so.

import type { Logger } from '../lib/log.ts';
import { hostPaths } from '../lib/names.ts';
import { allocate } from './allocation.ts';
import { HealthGate } from './health-gate.ts';
import { isVacant } from './pod-directory.ts';
import { DevicePool } from './pool.ts';
import { KubeletRegistration } from './registration.ts';
import { createPluginServer, type OfferedPool } from './server.ts';

/** The part of the agent's configuration that is the device plugin's. */
export interface DevicePluginConfig {
  readonly root: string;
  /** Number of devices. */
  readonly ports: number;
  /** Dealt out to the ports in turn. */
  readonly portNumaNodes: readonly number[];
  readonly resourceName: string;
  readonly podDirUid: number;
  readonly podDirGid: number;
  readonly podDirMode: number;
  /** Host path of the tun device node that containers get as /dev/net/tun. */
  readonly tunDevice: string;
}

export interface DevicePluginDeps {
  readonly log: Logger;
  /** How long the switch may be away before ports become unhealthy; default 1.5 s. */
  readonly graceMillis?: number;
  /** The same from the start, before the switch was first seen; default 30 s. */
  readonly startGraceMillis?: number;
}

export interface RunningDevicePlugin {
  /** Whether the switch is there. The kubelet hears at once that it is, and after the grace that it is not. */
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
  const pool = new DevicePool({ prefix: 'port-', count: config.ports, numaNodes: config.portNumaNodes });
  const { resourceName, tunDevice } = config;
  const owner = { uid: config.podDirUid, gid: config.podDirGid, mode: config.podDirMode };
  const ports: OfferedPool = {
    pool,
    allocate: (containers) => allocate(containers, { pool, resourceName, paths, owner, tunDevice, log }),
    isVacant: (id) => isVacant(paths, id),
  };
  const registration = new KubeletRegistration({
    paths,
    resourceName,
    log,
    createServer: (onStreams) => createPluginServer({ ...ports, log, onStreams }),
  });
  await registration.start();
  const gate = new HealthGate({
    graceMillis: deps.graceMillis ?? 1500,
    startGraceMillis: deps.startGraceMillis ?? 30_000,
    onChange: (healthy) => {
      log.info({ healthy }, 'health of the ports');
      pool.setHealth(healthy);
    },
  });
  return {
    setHealth: (healthy) => gate.set(healthy),
    get registered() {
      return registration.registered;
    },
    close: async () => {
      gate.close();
      await registration.close();
    },
  };
}
