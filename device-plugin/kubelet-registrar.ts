// SPDX-License-Identifier: Apache-2.0
//
// The first way of registration: a plugin calls Register on kubelet.sock, which lies in the directory of the plugins' own
// sockets. A kubelet that starts removes every socket there and makes kubelet.sock anew, so what counts is to be
// registered with the very kubelet.sock that is there. Device plugin API v1beta1, Registration.

import type { Logger } from '../lib/log.ts';
import type { HostPaths } from '../lib/names.ts';
import { unary } from '../proto/call.ts';
import { devicePluginVersion, Registration } from '../proto/load.ts';
import { type FileIdentity, fileIdentity } from '../proto/socket-file.ts';
import { dial } from '../proto/unix.ts';
import type { Registrar } from './registration.ts';
import { pluginOptions } from './server.ts';

export interface KubeletRegistrarOptions {
  readonly paths: Pick<HostPaths, 'devicePluginDir' | 'kubeletSocket'>;
  /** Base name of the plugin's socket. */
  readonly endpoint: string;
  /** Extended resource, `<domain>/<name>`. */
  readonly resourceName: string;
  readonly log: Logger;
  /** Told each time a kubelet has accepted the resource. */
  readonly onRegistered?: (() => void) | undefined;
  /** How long Register may take; default 10 s. The kubelet dials us back meanwhile. */
  readonly registerMillis?: number;
}

export class KubeletRegistrar implements Registrar {
  readonly #options: KubeletRegistrarOptions;
  readonly needsNewSocket = false;
  #registeredWith: FileIdentity | undefined;

  constructor(options: KubeletRegistrarOptions) {
    this.#options = options;
  }

  get directory(): string {
    return this.#options.paths.devicePluginDir;
  }

  get registered(): boolean {
    return this.#registeredWith !== undefined;
  }

  addServices(): void {
    // The kubelet calls nothing but DevicePlugin.
  }

  /** Throws USV_KUBELET when the kubelet does not answer or refuses. */
  async register(): Promise<void> {
    const { paths, endpoint, resourceName, log } = this.#options;
    const kubelet = fileIdentity(paths.kubeletSocket);
    if (kubelet === undefined) this.#registeredWith = undefined;
    if (kubelet === undefined || kubelet === this.#registeredWith) return;
    const client = dial(Registration, paths.kubeletSocket);
    try {
      await unary(
        (done) =>
          client.Register(
            { version: devicePluginVersion, endpoint, resource_name: resourceName, options: pluginOptions },
            { deadline: Date.now() + (this.#options.registerMillis ?? 10_000) },
            done,
          ),
        { peer: `the kubelet at ${paths.kubeletSocket}`, unreachable: 'USV_KUBELET' },
      );
    } finally {
      client.close();
    }
    // Looked at only now: a kubelet that was killed leaves its socket, and the connection may have gone to the next one, which
    // must not be told twice: it refuses, and Kubernetes 1.37 then takes us no more until it restarts. If on the other hand the
    // next one came only after the answer, it has removed our own socket before it made this one, and we begin anew.
    this.#registeredWith = fileIdentity(paths.kubeletSocket);
    log.info({ resource: resourceName, endpoint }, 'registered with the kubelet');
    this.#options.onRegistered?.();
  }

  forget(): void {
    this.#registeredWith = undefined;
  }
}
