// SPDX-License-Identifier: Apache-2.0
//
// The device plugin as the agent composes it: each resource with a server and a registration of its own, offered to the
// kubelet for as long as it runs. It must not know why ports are healthy or not: the agent says so.

import { join } from 'node:path';
import { type HostPaths, hostPaths } from '../lib/names.ts';
import { HealthGate } from './health-gate.ts';
import { KubeletRegistrar } from './kubelet-registrar.ts';
import {
  type DevicePluginConfig,
  type Offer,
  type OfferDeps,
  offerPorts,
  offerSlices,
  removeOldSlices,
} from './offers.ts';
import { leadDevice } from './pod-directory.ts';
import { PluginRegistration, type Registrar } from './registration.ts';
import { createPluginServer, type PluginObserver } from './server.ts';
import { WatcherRegistrar } from './watcher-registrar.ts';

export interface DevicePluginDeps extends OfferDeps {
  readonly observer?: PluginObserver;
  /** How long the switch may be away before ports become unhealthy; default 1.5 s. */
  readonly graceMillis?: number;
  /** The same from the start, before the switch was first seen; default 30 s. */
  readonly startGraceMillis?: number;
}

/** One resource as the kubelet was told of it. */
export interface ResourceState {
  readonly resource: string;
  /** The kubelet that is there has accepted it. */
  readonly registered: boolean;
  /** Why it is not registered, when that is more than waiting for a kubelet. */
  readonly failure: string | undefined;
  readonly healthy: number;
  readonly unhealthy: number;
}

export interface RunningDevicePlugin {
  /** Whether the switch is there. The kubelet hears at once that it is, and after the grace that it is not. */
  setHealth(healthy: boolean): void;
  /** Whether a port of this node has no directory. No device that is none of them was ever allocated. */
  isLost(device: string): boolean;
  /**
   * Makes the directories of containers that lost them: a boot empties /run, and the kubelet keeps what it had allocated before and
   * asks for none of it again. Containers whose directory is there are left alone. Throws what Allocate fails with.
   */
  restore(containers: readonly (readonly string[])[]): Promise<void>;
  /** The kubelet that is there has accepted all our resources. */
  readonly registered: boolean;
  resources(): readonly ResourceState[];
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
  const ports = offerPorts(config, paths, log);
  const offers = [ports, ...config.slices.map((slices) => offerSlices(slices, config, paths, deps))];
  const registrations = offers.map(
    (offer) =>
      new PluginRegistration({
        registrar: createRegistrar(offer, config, paths, deps),
        endpoint: offer.endpoint,
        prepare: () => offer.prepare(),
        log,
        createServer: (onStreams) =>
          createPluginServer({
            resourceName: offer.resourceName,
            observer: deps.observer,
            pool: offer.pool,
            allocate: (containers) => offer.allocate(containers),
            isVacant: (id) => offer.isVacant(id),
            log,
            onStreams,
          }),
      }),
  );
  const stop = async (): Promise<void> => {
    for (const registration of registrations) await registration.close();
    for (const offer of offers) await offer.close();
  };
  try {
    for (const [index, registration] of registrations.entries()) {
      await registration.start();
      // The first socket is ours: no other agent has this root.
      if (index === 0) removeOldSlices(config, paths, log);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const gate = new HealthGate({
    graceMillis: deps.graceMillis ?? 1500,
    startGraceMillis: deps.startGraceMillis ?? 30_000,
    onChange: (healthy) => {
      log.info({ healthy }, 'health of the ports');
      ports.pool.setHealth(healthy);
    },
  });
  const isBare = (device: string): boolean => leadDevice(paths, device) === undefined;
  return {
    setHealth: (healthy) => gate.set(healthy),
    isLost: (device) => ports.pool.has(device) && isBare(device),
    restore: async (containers) => {
      const lost = containers.filter((devices) => devices.length > 0 && devices.every(isBare));
      if (lost.length === 0) return;
      await ports.allocate(lost);
      log.info({ containers: lost }, 'directories of a former boot are made again');
    },
    get registered() {
      return registrations.every(({ registered }) => registered);
    },
    resources: () =>
      offers.map(({ resourceName: resource, pool }, index) => {
        const { registered = false, failure } = registrations[index] ?? {};
        const unhealthy = pool.unhealthy().length;
        return { resource, registered, failure, healthy: pool.list().length - unhealthy, unhealthy };
      }),
    close: async () => {
      gate.close();
      await stop();
    },
  };
}

function createRegistrar(
  { resourceName, endpoint }: Offer,
  config: DevicePluginConfig,
  paths: HostPaths,
  { log, observer }: DevicePluginDeps,
): Registrar {
  const directory = paths.pluginsRegistryDir;
  const common = { resourceName, log, onRegistered: () => observer?.registered(resourceName) };
  return config.registration === 'plugin-watcher'
    ? new WatcherRegistrar({ ...common, directory, socketPath: join(directory, endpoint) })
    : new KubeletRegistrar({ ...common, paths, endpoint });
}
