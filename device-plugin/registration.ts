// SPDX-License-Identifier: Apache-2.0
//
// Keeps one plugin known to the kubelet through restarts of either: whenever the directory of its socket changes, whenever
// the kubelet's stream ends, and after a failure with growing pauses, the wanted state is compared with what is there:
// our socket serving, then known to the kubelet that is there. One comparison runs at a time. How the kubelet comes to
// know is the registrar's business.

import { join } from 'node:path';
import { Server } from '@grpc/grpc-js';
import { createBackoff } from '../lib/backoff.ts';
import { type DirectoryWatch, watchDirectory } from '../lib/directory-watch.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { checkSocketPath } from '../lib/names.ts';
import { DevicePlugin } from '../proto/load.ts';
import { fileIdentity } from '../proto/socket-file.ts';
import { type ServedSocket, serve } from '../proto/unix.ts';
import type { PluginServer } from './server.ts';

/** One of the two ways in which a kubelet comes to know a plugin. */
export interface Registrar {
  /** The kubelet's directory for sockets of plugins. */
  readonly directory: string;
  /** Whether a kubelet that dropped us looks again only at a new socket. */
  readonly needsNewSocket: boolean;
  /** The kubelet that is there has accepted us. */
  readonly registered: boolean;
  /** Adds what the kubelet calls besides DevicePlugin. */
  addServices(server: Server): void;
  /** Called when our socket serves, and after each change in the directory. Throws to be called again. */
  register(): Promise<void>;
  /** Our socket is gone, or the kubelet has dropped us. */
  forget(): void;
}

export interface RegistrationOptions {
  readonly registrar: Registrar;
  /** Base name of our socket in the registrar's directory. */
  readonly endpoint: string;
  /** Makes the handlers of one server; `onStreams` is to be called with the number of open ListAndWatch streams. */
  readonly createServer: (onStreams: (open: number) => void) => PluginServer;
  /** Runs each time the socket is ours and before any request can be read. */
  readonly prepare: () => void;
  readonly log: Logger;
}

// A kubelet that was told of us twice ends the first stream as it opens the second.
const streamLostMillis = 1000;

interface Serving {
  readonly socket: ServedSocket;
  readonly plugin: PluginServer;
}

export class PluginRegistration {
  readonly #options: RegistrationOptions;
  readonly #socketPath: string;
  readonly #backoff = createBackoff({ initialMillis: 50, maxMillis: 10_000 });
  #watch: DirectoryWatch | undefined;
  #serving: Serving | undefined;
  #retry: NodeJS.Timeout | undefined;
  #streamLost: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #newSocketDue = false;
  #failure: string | undefined;
  #closed = false;

  /** Throws USV_SOCKET_PATH. */
  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#socketPath = checkSocketPath(join(options.registrar.directory, options.endpoint));
  }

  /** The kubelet that is there has accepted us. */
  get registered(): boolean {
    return this.#options.registrar.registered;
  }

  /** Why we are not registered, when that is more than waiting for a kubelet. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Serves and registers as far as that is possible now, and keeps it so until `close`. An absent kubelet is no error.
   * Throws USV_RUNNING or USV_IO when our own socket cannot be made.
   */
  async start(): Promise<void> {
    const { directory } = this.#options.registrar;
    const failed = (error: Error): void => this.#failed(error);
    this.#watch = watchDirectory(directory, () => this.#compare(), failed);
    if (fileIdentity(directory) === undefined) {
      this.#options.log.info({ directory }, 'waiting for the kubelet');
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
        if (this.#serving !== undefined) await this.#options.registrar.register();
      } while (this.#again && !this.#closed);
      this.#backoff.reset();
      this.#failure = undefined;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#running = undefined;
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    const millis = this.#backoff.next();
    this.#failure = error instanceof UsvhostError ? error.message : String(error);
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
    const { registrar, prepare, log } = this.#options;
    if (this.#serving?.socket.present() === true && !this.#newSocketDue) return;
    if (this.#serving !== undefined) {
      log.info({ socket: this.#socketPath }, 'the kubelet has restarted or dropped us: serving anew');
      await this.#stopServing();
    }
    this.#newSocketDue = false;
    if (fileIdentity(registrar.directory) === undefined) return;
    const plugin = this.#options.createServer((open) => this.#streamsChanged(plugin, open));
    const server = new Server();
    server.addService(DevicePlugin.service, plugin.handlers);
    registrar.addServices(server);
    // The kubelet runs as root; nobody else has a business here.
    const socket = await serve(server, { socketPath: this.#socketPath, mode: 0o600, prepare });
    this.#serving = { socket, plugin };
  }

  async #stopServing(): Promise<void> {
    const serving = this.#serving;
    this.#serving = undefined;
    // Its streams are nobody's concern any more; registering again because of them would tell the kubelet twice.
    clearTimeout(this.#streamLost);
    this.#options.registrar.forget();
    serving?.plugin.streams.close();
    await serving?.socket.close();
  }

  // A kubelet that drops the stream counts our devices as unhealthy until we register again, whatever its reason was.
  #streamsChanged(plugin: PluginServer, open: number): void {
    clearTimeout(this.#streamLost);
    if (open > 0 || this.#closed || this.#serving?.plugin !== plugin) return;
    this.#streamLost = setTimeout(() => this.#dropped(), streamLostMillis);
  }

  #dropped(): void {
    const { registrar } = this.#options;
    registrar.forget();
    this.#newSocketDue = registrar.needsNewSocket;
    this.#compare();
  }
}
