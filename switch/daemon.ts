// SPDX-License-Identifier: Apache-2.0
//
// The switch daemon: configuration → control socket → data plane, and back down in the opposite order. The control
// socket's name is the lock of a root: it is taken before the data plane touches anything below it.

import { chmodSync, mkdirSync } from 'node:fs';
import { Server } from '@grpc/grpc-js';
import type { SwitchConfig } from '../lib/config/switch.ts';
import { usvFailure } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { type HostPaths, hostPaths } from '../lib/names.ts';
import { runUntil } from '../lib/run-until.ts';
import type { SwitchEvent, SwitchOptions } from '../native/index.ts';
import type { Port } from '../proto/gen/usvhost/switch/v1/Port.ts';
import { Switch } from '../proto/load.ts';
import { serve } from '../proto/unix.ts';
import { createControlHandlers, toWirePort } from './control-api.ts';
import { DesiredPorts } from './desired-ports.ts';
import type { CreateNative, NativeSwitchLike } from './native-switch.ts';
import { StateLog } from './state-log.ts';
import { WatchHub } from './watch.ts';

export interface SwitchDeps {
  readonly createNative: CreateNative;
  readonly log: Logger;
}

export interface SwitchDaemon {
  readonly socketPath: string;
  /** Ends watches and calls, closes every port. Pods' port directories stay for the next switch. */
  close(): Promise<void>;
}

/** Bits of rwx for the owner alone. */
const privateDirectory = 0o700;

function makeDirectories(paths: HostPaths): void {
  try {
    mkdirSync(paths.runDir, { recursive: true, mode: 0o755 });
    // What lies below may be open to anybody, since nobody but root and the pods it is mounted into gets there.
    chmodSync(paths.runDir, privateDirectory);
    for (const directory of [paths.portsDir, paths.statsDir])
      mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw usvFailure('USV_IO', `cannot make the directories below ${paths.runDir}: ${String(error)}`, {
      cause: error,
    });
  }
}

/**
 * Starts the switch; when the promise resolves it answers on its control socket.
 * Throws USV_RUNNING for a second switch on the same root, USV_SOCKET_PATH, USV_IO, and what `createNative` throws.
 */
export async function startSwitch(config: SwitchConfig, deps: SwitchDeps): Promise<SwitchDaemon> {
  const { log } = deps;
  const paths = hostPaths(config.root);
  makeDirectories(paths);

  // Twice the ports: every name may be gone and a new one there.
  const hub = new WatchHub<Port>({ maxPending: 2 * config.maxPorts });
  let ports: DesiredPorts | undefined;
  let native: NativeSwitchLike | undefined;
  const livePorts = (): DesiredPorts => {
    if (ports === undefined) throw usvFailure('USV_INTERNAL', 'the data plane is not there');
    return ports;
  };
  const states = new StateLog({
    log,
    now: () => performance.now(),
    // What is still untold when the switch ends is of no use to anybody.
    later: (call, millis) => void setTimeout(call, millis).unref(),
    isThere: (port, name) => ports?.get(name)?.spec === port,
  });
  const onEvent = (event: SwitchEvent): void => {
    const { port, reason } = event;
    const view = ports?.get(port);
    // The last events of a port may come after it was removed.
    if (view === undefined) return;
    states.changed(view.spec, event);
    hub.publish({ name: port, value: toWirePort(view), reason });
  };

  const server = new Server();
  server.addService(Switch.service, createControlHandlers({ ports: livePorts, hub, log }));
  const served = await serve(server, {
    socketPath: paths.switchSocket,
    mode: 0o600,
    prepare: () => {
      native = deps.createNative(nativeOptions(config, paths), onEvent);
      ports = new DesiredPorts({ native, paths, maxPorts: config.maxPorts });
    },
  });
  log.info({ socket: served.path, cpus: config.cpus, maxPorts: config.maxPorts }, 'switch is listening');

  return {
    socketPath: served.path,
    close: async () => {
      hub.close();
      await served.close();
      ports?.close();
      ports = undefined;
      native?.close();
      log.info('switch has stopped');
    },
  };
}

function nativeOptions(config: SwitchConfig, paths: HostPaths): SwitchOptions {
  return {
    cpus: config.cpus,
    statsFile: `${paths.statsDir}/switch`,
    maxPorts: config.maxPorts,
    macTableSize: config.macTableSize,
    macAgeSeconds: config.macAgeSeconds,
    idleMicros: config.idleMicros,
    pollMode: config.pollMode,
    handshakeMillis: config.handshakeMillis,
  };
}

/** Runs the switch until `stop` is aborted; what `usvhost switch` does after reading its configuration. */
export async function runSwitch(config: SwitchConfig, deps: SwitchDeps, stop: AbortSignal): Promise<void> {
  await runUntil(stop, await startSwitch(config, deps));
}
