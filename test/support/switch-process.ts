// SPDX-License-Identifier: Apache-2.0
//
// `usvhost switch` as a process of its own that a test may kill, with ports added over its control socket.

import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, watch } from 'node:fs';
import { usvhostCommand } from '../../cli/demo/node.ts';
import { Child } from '../../cli/demo/process.ts';
import { type HostPaths, hostPaths } from '../../lib/names.ts';
import { type ControlClient, controlClient } from '../contract/switch/control-client.ts';

export class SwitchProcess {
  readonly #paths: HostPaths;
  #child: Child | undefined;
  #client: ControlClient | undefined;

  private constructor(root: string) {
    this.#paths = hostPaths(root);
  }

  static async start(root: string): Promise<SwitchProcess> {
    const started = new SwitchProcess(root);
    await started.startAgain();
    return started;
  }

  /** A new one in place of one that is gone; it has no port. */
  async startAgain(): Promise<void> {
    const { root, runDir, switchSocket } = this.#paths;
    mkdirSync(runDir, { recursive: true });
    // One that was killed leaves its socket behind.
    rmSync(switchSocket, { force: true });
    const watcher = watch(runDir);
    try {
      const child = new Child('usvhost switch', usvhostCommand('switch', '--root', root));
      this.#child = child;
      while (!existsSync(switchSocket)) await child.whileRunning(once(watcher, 'change'));
      this.#client = controlClient(switchSocket);
      await child.whileRunning(this.#client.ready());
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      watcher.close();
    }
  }

  get #control(): ControlClient {
    if (this.#client === undefined) throw new Error('the switch does not run');
    return this.#client;
  }

  /** Returns the port's socket. `connect`: somebody else listens there and the switch connects. */
  async addPort(name: string, { connect = false }: { readonly connect?: boolean } = {}): Promise<string> {
    return (await this.#control.addPort({ name, role: connect ? 'connect' : 'listen' })).socket_path;
  }

  async counters(port: string): Promise<Readonly<Record<string, number>>> {
    const counters = (await this.#control.stats())[port] ?? {};
    return Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, Number(value)]));
  }

  /** Resolves when the port is in the state, and returns its negotiated features. */
  async until(name: string, state: 'listening' | 'connecting' | 'up'): Promise<bigint> {
    const stream = this.#control.watch();
    try {
      for (;;) {
        const { snapshot, changed } = await stream.next();
        const ports = snapshot?.ports ?? (changed?.port ? [changed.port] : []);
        const found = ports.find((port) => port.spec?.name === name);
        if (found?.state === state) return BigInt(found.features);
      }
    } finally {
      stream.cancel();
    }
  }

  /** kill -9 */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async close(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
    await this.#child?.stop(signal);
    this.#child = undefined;
  }
}
