// SPDX-License-Identifier: Apache-2.0
//
// The node agent: state → switch client → device plugin → reconciler → port keeper → CNI server, and back down in the opposite order. The state
// database is the lock of a root: it is taken before anything below the root is touched.

import { chmodSync, mkdirSync } from 'node:fs';
import { KeyedQueue } from '../cni/keyed-queue.ts';
import { answer } from '../cni/plugin.ts';
import { startCniServer } from '../cni/server.ts';
import type { Steps } from '../cni/session.ts';
import { startDevicePlugin } from '../device-plugin/plugin.ts';
import { leadDevice } from '../device-plugin/pod-directory.ts';
import { PodResources } from '../device-plugin/pod-resources.ts';
import type { AgentConfig } from '../lib/config/agent.ts';
import { usvFailure } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type HostPaths, hostPaths } from '../lib/names.ts';
import { runUntil } from '../lib/run-until.ts';
import { startStatus } from '../lib/status-server.ts';
import { Attachments } from './attachments.ts';
import { Holdings } from './holdings.ts';
import { kubernetesSide } from './kubernetes/side.ts';
import { Leftovers } from './leftovers.ts';
import { createAgentMetrics } from './metrics.ts';
import { isNamespaceGone } from './namespaces.ts';
import { nodeSwitchOf } from './node-switch-of.ts';
import { PortKeeper } from './port-keeper.ts';
import { PortStates } from './port-states.ts';
import { lookAtParts } from './readiness.ts';
import { startReconciler } from './start-reconciler.ts';
import { writeSwitchChoice } from './switch-file.ts';
import { Tombstones } from './tombstones.ts';
import { Traffic } from './traffic.ts';

export interface AgentDeps {
  readonly log: Logger;
  /** Text of /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  /** Variables of the process, by which it knows that it is in a cluster. Default none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Wraps the steps of each CNI call; default none. */
  readonly hands?: ((steps: Steps) => Steps) | undefined;
}

export interface AgentDaemon {
  readonly socketPath: string;
  /** Where metrics are served; undefined when they are not, now or at all. */
  readonly status: { readonly address: string; readonly port: number } | undefined;
  /** Lets CNI calls under way end, takes no more, and gives the state back. Ports and mounts stay. */
  close(): Promise<void>;
}

/** Bits of rwx for the owner alone. */
const privateDirectory = 0o700;

function makeDirectories(paths: HostPaths, config: AgentConfig): void {
  try {
    mkdirSync(paths.runDir, { recursive: true, mode: 0o755 });
    // The shim trusts who answers on agent.sock, so nobody else may put a socket there.
    chmodSync(paths.runDir, privateDirectory);
    mkdirSync(paths.podsDir, { recursive: true, mode: 0o755 });
    // Where the switch does not make the ports' directories itself.
    mkdirSync(paths.portsDir, { recursive: true, mode: 0o755 });
    writeSwitchChoice(paths, config);
  } catch (error) {
    throw usvFailure('USV_IO', `cannot make the directories below ${paths.runDir}: ${String(error)}`, {
      cause: error,
    });
  }
}

/**
 * Starts the agent; when the promise resolves it answers on its CNI socket. The switch may be away: calls that need it
 * fail until it is there.
 * Throws USV_RUNNING for a second agent on the same root, USV_SOCKET_PATH, USV_IO.
 */
export async function startAgent(config: AgentConfig, deps: AgentDeps): Promise<AgentDaemon> {
  const { log } = deps;
  const paths = hostPaths(config.root);
  const store = new Attachments({ stateDir: paths.stateDir, bootId: deps.bootId });
  const undo: (() => Promise<void> | void)[] = [() => store.close()];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    makeDirectories(paths, config);
    const metrics = createAgentMetrics();
    const queue = new KeyedQueue();
    const nodeSwitch = nodeSwitchOf(config);
    undo.push(() => nodeSwitch.close());
    const podResources = new PodResources({
      socketPath: paths.podResourcesSocket,
      resourceName: config.resourceName,
    });
    undo.push(() => podResources.close());
    const plugin = await startDevicePlugin(config, { log, observer: metrics.plugin });
    undo.push(() => plugin.close());
    const cniDeps = {
      root: config.root,
      store,
      switchPorts: nodeSwitch,
      leadDevice: (device: string) => leadDevice(paths, device) ?? device,
      devicesOfPod: (namespace: string, name: string) => podResources.devicesOfPod(namespace, name),
      restore: async (devices: readonly string[], namespace: string, name: string) => {
        // Only the kubelet knows that they are this pod's, and it is asked only where something is missing.
        if (devices.some((device) => plugin.isLost(device)))
          await plugin.restore(await podResources.containersOfPod(namespace, name));
      },
      isNamespaceGone,
      queue,
      log,
    };
    const tombstones = new Tombstones(paths.tombstonesDir, log);
    const leftovers = new Leftovers({ cni: cniDeps, store, tombstones, queue, observer: metrics.cleanup });
    const holdings = new Holdings();
    const reconciler = startReconciler(config, {
      store,
      tombstones,
      leftovers,
      queue,
      switchPorts: nodeSwitch,
      listPods: async () => {
        const pods = await podResources.listPods();
        holdings.take(pods);
        return pods;
      },
      log,
      observer: metrics.cleanup,
    });
    undo.push(() => reconciler.close());
    const ports = new PortStates();
    const kubernetes = kubernetesSide(config, deps.env ?? {}, {
      log,
      attachmentOf: (port) => store.findByPort(port),
      onPodGone: () => reconciler.kick(),
      observer: metrics.kubernetes,
    });
    undo.push(() => kubernetes?.close());
    const keeper = new PortKeeper({
      store,
      queue,
      nodeSwitch,
      log,
      observer: {
        replace: (present) => {
          ports.replace(present);
          kubernetes?.ports.replace(present);
        },
        change: (name, state, reason) => {
          ports.change(name, state);
          kubernetes?.ports.change(name, state, reason);
        },
      },
      onHealth: (reachable) => {
        if (!reachable) ports.clear();
        log.info({ reachable }, 'switch');
        plugin.setHealth(reachable);
        kubernetes?.switchReachable(reachable);
        if (reachable) reconciler.kick();
      },
    });
    undo.push(() => keeper.close());
    const server = await startCniServer({
      socketPath: paths.agentSocket,
      queue,
      log,
      observer: metrics.cni,
      handle: async (request, steps) => {
        const hands = deps.hands?.(steps) ?? steps;
        await leftovers.tidy(hands, request);
        const answered = await answer(request, hands, cniDeps);
        if (answered.error !== undefined) kubernetes?.callFailed(request, answered.error);
        return answered;
      },
    });
    undo.push(() => server.close());
    const switchReachable = (): boolean | undefined => keeper.reachable;
    const look = () =>
      lookAtParts({
        stateOpen: () => store.isOpen,
        cniPresent: () => server.present(),
        resources: () => plugin.resources(),
        switchReachable,
      });
    metrics.connect({
      store,
      tombstones,
      plugin,
      ports,
      switchReachable: () => switchReachable() === true,
      parts: look,
      holdings,
      traffic: new Traffic({ read: () => nodeSwitch.counters(), log }),
    });
    const status = await startStatus(config, { log, metrics, look });
    undo.push(() => status?.close());
    log.info({ socket: paths.agentSocket, attachments: store.list().length }, 'agent is listening');
    return {
      socketPath: paths.agentSocket,
      get status() {
        return status?.address;
      },
      close: async () => {
        await close();
        log.info('agent has stopped');
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs the agent until `stop` is aborted; what `usvhost agent` does after reading its configuration. */
export async function runAgent(config: AgentConfig, deps: AgentDeps, stop: AbortSignal): Promise<void> {
  await runUntil(stop, await startAgent(config, deps));
}
