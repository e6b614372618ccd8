// SPDX-License-Identifier: Apache-2.0
//
// Keeps the plugin known to the kubelet through restarts of either. A kubelet that starts removes every socket in its
// device-plugins directory and makes kubelet.sock anew; so whenever that directory changes, whenever the kubelet's
// stream ends, and after a failure with growing pauses, the wanted state is compared with what is there: our socket
// serving, then registered with the very kubelet.sock that is there. One comparison runs at a time.

import { Server } from '@grpc/grpc-js';
import { createBackoff } from '../lib/backoff.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { HostPaths } from '../lib/names.ts';
import { unary } from '../proto/call.ts';
import { DevicePlugin, devicePluginVersion, Registration } from '../proto/load.ts';
import { type FileIdentity, fileIdentity } from '../proto/socket-file.ts';
import { dial, type ServedSocket, serve } from '../proto/unix.ts';
import { type DirectoryWatch, watchDirectory } from './directory-watch.ts';
import { type PluginServer, pluginOptions } from './server.ts';

export interface RegistrationOptions {
  readonly paths: Pick<HostPaths, 'devicePluginDir' | 'kubeletSocket' | 'pluginSocket'>;
  /** Extended resource, `<domain>/<name>`. */
  readonly resourceName: string;
  /** Makes the handlers of one server; `onStreams` is to be called with the number of open ListAndWatch streams. */
  readonly createServer: (onStreams: (open: number) => void) => PluginServer;
  readonly log: Logger;
  /** How long Register may take; default 10 s. The kubelet dials us back meanwhile. */
  readonly registerMillis?: number;
}

// A kubelet that was told of us twice ends the first stream as it opens the second.
const streamLostMillis = 1000;

interface Serving {
  readonly socket: ServedSocket;
  readonly plugin: PluginServer;
}

export class KubeletRegistration {
  readonly #options: RegistrationOptions;
  readonly #backoff = createBackoff({ initialMillis: 50, maxMillis: 10_000 });
  #watch: DirectoryWatch | undefined;
  #serving: Serving | undefined;
  #registeredWith: FileIdentity | undefined;
  #retry: NodeJS.Timeout | undefined;
  #streamLost: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** The kubelet that is there has accepted us. */
  get registered(): boolean {
    return this.#registeredWith !== undefined;
  }

  /**
   * Serves and registers as far as that is possible now, and keeps it so until `close`. An absent kubelet is no error.
   * Throws USV_RUNNING, USV_SOCKET_PATH or USV_IO when our own socket cannot be made.
   */
  async start(): Promise<void> {
    const { devicePluginDir } = this.#options.paths;
    const failed = (error: Error): void => this.#failed(error);
    this.#watch = watchDirectory(devicePluginDir, () => this.#compare(), failed);
    if (fileIdentity(devicePluginDir) === undefined) {
      this.#options.log.info({ directory: devicePluginDir }, 'waiting for the kubelet');
      return;
    }
    try {
      await this.#serve();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#compare();
    await this.#running;
  }

  /** Ends the streams and removes our socket. The kubelet keeps the devices of running pods for its grace period. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch?.close();
    clearTimeout(this.#retry);
    clearTimeout(this.#streamLost);
    await this.#running;
    await this.#stopServing();
  }

  #compare(): void {
    if (this.#closed) return;
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#retry);
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false;
        await this.#serve();
        await this.#register();
      } while (this.#again && !this.#closed);
      this.#backoff.reset();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#running = undefined;
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    const millis = this.#backoff.next();
    const { log } = this.#options;
    if (error instanceof UsvhostError) log.warn({ code: error.code, retryMillis: millis }, error.message);
    else
      log.error(
        { code: 'USV_INTERNAL', err: error, retryMillis: millis },
        'registration failed by a fault of ours',
      );
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#compare(), millis);
  }

  async #serve(): Promise<void> {
    const { paths, log } = this.#options;
    if (this.#serving?.socket.present() === true) return;
    if (this.#serving !== undefined) {
      log.info({ socket: paths.pluginSocket }, 'our socket was removed: the kubelet has restarted');
      await this.#stopServing();
    }
    if (fileIdentity(paths.devicePluginDir) === undefined) return;
    const plugin = this.#options.createServer((open) => this.#streamsChanged(plugin, open));
    const server = new Server();
    server.addService(DevicePlugin.service, plugin.handlers);
    // The kubelet runs as root; nobody else has a business here.
    const socket = await serve(server, { socketPath: paths.pluginSocket, mode: 0o600 });
    this.#serving = { socket, plugin };
  }

  async #stopServing(): Promise<void> {
    const serving = this.#serving;
    this.#serving = undefined;
    this.#registeredWith = undefined;
    serving?.plugin.streams.close();
    await serving?.socket.close();
  }

  // A kubelet that drops the stream counts our devices as unhealthy until we register again, whatever its reason was.
  #streamsChanged(plugin: PluginServer, open: number): void {
    clearTimeout(this.#streamLost);
    if (open > 0 || this.#closed || this.#serving?.plugin !== plugin) return;
    this.#streamLost = setTimeout(() => {
      this.#registeredWith = undefined;
      this.#compare();
    }, streamLostMillis);
  }

  async #register(): Promise<void> {
    const { paths, resourceName, log } = this.#options;
    const kubelet = fileIdentity(paths.kubeletSocket);
    if (kubelet === undefined) this.#registeredWith = undefined;
    if (kubelet === undefined || this.#serving === undefined || kubelet === this.#registeredWith) return;
    const endpoint = paths.pluginSocket.slice(paths.devicePluginDir.length + 1);
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
    this.#registeredWith = kubelet;
    log.info({ resource: resourceName, endpoint }, 'registered with the kubelet');
  }
}
