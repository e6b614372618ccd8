// SPDX-License-Identifier: Apache-2.0
//
// Keeps the switch's ports what the attachments say: watches the switch, and whenever a snapshot comes (first contact,
// restart, a reader that was too slow) adds what is missing and removes what a DEL could not, again and again while the
// switch refuses. It removes nothing else:
// other clients of the switch have ports too.

import type { Attachment } from '../cni/attachment.ts';
import type { WantedPort } from '../cni/call.ts';
import type { KeyedQueue } from '../cni/keyed-queue.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { PortEvent__Output } from '../proto/gen/usvhost/switch/v1/PortEvent.ts';
import type { Attachments } from './attachments.ts';

/** The stream of events as the keeper needs it. */
export interface PortWatch {
  on(event: 'data', listener: (event: PortEvent__Output) => void): unknown;
  on(event: 'error' | 'end', listener: (error?: unknown) => void): unknown;
  cancel(): void;
}

export interface PortKeeperOptions {
  readonly store: Pick<Attachments, 'get' | 'list' | 'buriedPorts' | 'forgetBuriedPort'>;
  /** The queue of the CNI calls by container: a port is added between them, never behind the back of a DEL. */
  readonly queue: KeyedQueue;
  readonly switchClient: {
    watch(): PortWatch;
    addPort(port: WantedPort): Promise<void>;
    removePort(name: string): Promise<boolean>;
  };
  readonly log: Logger;
  /** Told when the switch comes and goes; first call when it is first known. */
  readonly onHealth?: (reachable: boolean) => void;
  /** Told of each event of the switch. */
  readonly onEvent?: (event: PortEvent__Output) => void;
  /** Pause before the stream is opened again after it broke. Default 50. */
  readonly retryMillis?: number;
  /** Pause before what the switch refused is tried again. Default 5000. */
  readonly refusedMillis?: number;
}

export class PortKeeper {
  readonly #options: PortKeeperOptions;
  #watch: PortWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #refused: NodeJS.Timeout | undefined;
  #reachable: boolean | undefined;
  #closed = false;
  #reconciling: Promise<void> = Promise.resolve();

  constructor(options: PortKeeperOptions) {
    this.#options = options;
    this.#open();
  }

  /** Undefined until the switch has answered or failed once. */
  get reachable(): boolean | undefined {
    return this.#reachable;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watch?.cancel();
    await this.#reconciling;
    clearTimeout(this.#refused);
  }

  #open(): void {
    const watch = this.#options.switchClient.watch();
    this.#watch = watch;
    watch.on('data', (event) => {
      this.#options.onEvent?.(event);
      const { snapshot } = event;
      if (snapshot === null || snapshot === undefined) return;
      this.#health(true);
      const names = new Set(snapshot.ports.map(({ spec }) => spec?.name ?? ''));
      this.#schedule(names);
    });
    // A broken stream says so by an error and then an end, or by either.
    watch.on('error', (error) => this.#broken(watch, error));
    watch.on('end', () => this.#broken(watch, 'the stream ended'));
  }

  #schedule(present: ReadonlySet<string>): void {
    clearTimeout(this.#refused);
    this.#reconciling = this.#reconciling.then(async () => {
      const done = await this.#reconcile(present);
      if (done || this.#closed) return;
      // AddPort is idempotent, so nothing is taken as present.
      const again = (): void => this.#schedule(new Set());
      this.#refused = setTimeout(again, this.#options.refusedMillis ?? 5000);
    });
  }

  #broken(watch: PortWatch, error: unknown): void {
    if (this.#closed || this.#watch !== watch) return;
    this.#watch = undefined;
    if (this.#reachable !== false) this.#options.log.warn({ error: String(error) }, 'the switch is gone');
    this.#health(false);
    this.#timer = setTimeout(() => this.#open(), this.#options.retryMillis ?? 50);
  }

  #health(reachable: boolean): void {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    this.#options.onHealth?.(reachable);
  }

  async #reconcile(present: ReadonlySet<string>): Promise<boolean> {
    const { store, switchClient, log } = this.#options;
    const missing = store.list().filter(({ port }) => !present.has(port));
    const added = missing.map((attachment) => this.#add(attachment));
    const buried = store.buriedPorts().map(async (port) => {
      const gone = await this.#attempt(`remove ${port}`, () => switchClient.removePort(port));
      if (gone) store.forgetBuriedPort(port);
      return gone;
    });
    const done = await Promise.all([...added, ...buried]);
    if (missing.length > 0) log.info({ ports: missing.length }, 'ports given to the switch again');
    return done.every(Boolean);
  }

  #add(attachment: Attachment): Promise<boolean> {
    const { store, switchClient, queue } = this.#options;
    return queue.run(attachment.containerId, async () => {
      const now = store.get(attachment);
      if (now?.state !== 'ready') return true;
      const { port: name, mac, mtu, podRole } = now;
      return this.#attempt(`add ${name}`, () => switchClient.addPort({ name, mac, mtu, podRole }));
    });
  }

  async #attempt(what: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      this.#options.log.warn({ what, err: error }, 'the switch refused');
      return false;
    }
  }
}
