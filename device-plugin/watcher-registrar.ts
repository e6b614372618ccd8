// SPDX-License-Identifier: Apache-2.0
//
// The second way of registration: the kubelet watches plugins_registry, asks each new socket there what it is, connects,
// and says how that went. It calls and we answer. It removes no sockets there and finds ours by itself when it starts,
// but looks again at one that it has dropped only when the socket is new. Plugin registration API v1.

import type { Server } from '@grpc/grpc-js';
import { usvFailure } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { handleUnary } from '../proto/call.ts';
import type { RegistrationHandlers } from '../proto/gen/pluginregistration/Registration.ts';
import { devicePluginVersion, PluginWatcher } from '../proto/load.ts';
import type { Registrar } from './registration.ts';

export interface WatcherRegistrarOptions {
  /** The kubelet's plugins_registry. */
  readonly directory: string;
  /** Path of our socket, where the kubelet finds DevicePlugin too. */
  readonly socketPath: string;
  /** Extended resource, `<domain>/<name>`. */
  readonly resourceName: string;
  readonly log: Logger;
  /** Told each time a kubelet has accepted the resource. */
  readonly onRegistered?: (() => void) | undefined;
}

export class WatcherRegistrar implements Registrar {
  readonly #options: WatcherRegistrarOptions;
  readonly needsNewSocket = true;
  #registered = false;

  constructor(options: WatcherRegistrarOptions) {
    this.#options = options;
  }

  get directory(): string {
    return this.#options.directory;
  }

  get registered(): boolean {
    return this.#registered;
  }

  addServices(server: Server): void {
    const { socketPath, resourceName, log } = this.#options;
    const logFailure = (error: unknown): void =>
      log.error({ code: 'USV_INTERNAL', err: error }, 'plugin registration failed by a fault of ours');
    const handlers: RegistrationHandlers = {
      GetInfo: handleUnary(
        () => ({
          type: 'DevicePlugin',
          name: resourceName,
          endpoint: socketPath,
          supported_versions: [devicePluginVersion],
        }),
        logFailure,
      ),
      NotifyRegistrationStatus: handleUnary(({ plugin_registered: accepted, error }) => {
        this.#registered = accepted;
        if (accepted) {
          log.info({ resource: resourceName }, 'the kubelet has registered us');
          this.#options.onRegistered?.();
        } else {
          // The kubelet tries again by itself.
          const { code, message } = usvFailure(
            'USV_KUBELET',
            `the kubelet refused ${resourceName}: ${error}`,
          );
          log.warn({ code }, message);
        }
        return {};
      }, logFailure),
    };
    server.addService(PluginWatcher.service, handlers);
  }

  async register(): Promise<void> {
    // It is the kubelet's turn.
  }

  forget(): void {
    this.#registered = false;
  }
}
