// SPDX-License-Identifier: Apache-2.0
//
// Keeps the switch's ports what the attachments say: watches the switch, and whenever a snapshot comes (first contact,
// restart, a reader that was too slow) adds what is missing and removes what a DEL could not, again and again while the
// switch refuses. It removes nothing else:
// other clients of the switch have ports too.

import type { Attachment } from '../cni/attachment.ts';
import type { KeyedQueue } from '../cni/keyed-queue.ts';
import { wantedPort } from '../cni/wanted-port.ts';
import { type Backoff, createBackoff } from '../lib/backoff.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Attachments } from './attachments.ts';
import type { NodeSwitch } from './node-switch.ts';

/** Told what a watch of the switch says (agent/node-switch.ts). */
export interface PortObserver {
  /** These are all ports, state by name. */
  replace(ports: ReadonlyMap<string, string>): void;
  /** One port has come, changed, or, with an undefined state, gone. */
  change(port: string, state: string | undefined, reason?: string): void;
}

export interface PortKeeperOptions {
  readonly store: Pick<Attachments, 'get' | 'list' | 'buriedPorts' | 'forgetBuriedPort'>;
  /** The queue of the CNI calls by container: a port is added between them, never behind the back of a DEL. */
  readonly queue: KeyedQueue;
  readonly nodeSwitch: Pick<NodeSwitch, 'watch' | 'addPort' | 'removePort'>;
  readonly log: Logger;
  /** Told when the switch comes and goes; first call when it is first known. */
  readonly onHealth?: (reachable: boolean) => void;
  /** Told which ports there are, and of each change. */
  readonly observer?: PortObserver;
  /** First pause before the switch is watched again after it was lost; it doubles up to a second. Default 50. */
  readonly retryMillis?: number;
  /** Pause before what the switch refused is tried again. Default 5000. */
  readonly refusedMillis?: number;
}

export class PortKeeper {
  readonly #options: PortKeeperOptions;
  readonly #backoff: Backoff;
  #watch: { cancel(): void } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #refused: NodeJS.Timeout | undefined;
  #reachable: boolean | undefined;
  #closed = false;
  #reconciling: Promise<void> = Promise.resolve();

  constructor(options: PortKeeperOptions) {
    this.#options = options;
    this.#backoff = createBackoff({ initialMillis: options.retryMillis ?? 50, maxMillis: 1000 });
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
    // What a watch says after it was lost belongs to nobody.
    let over = false;
    this.#watch = this.#options.nodeSwitch.watch({
      present: (ports) => {
        if (over || this.#closed) return;
        this.#options.observer?.replace(ports);
        this.#backoff.reset();
        this.#health(true);
        this.#schedule(new Set(ports.keys()));
      },
      changed: (name, state, reason) => {
        if (!over) this.#options.observer?.change(name, state, reason);
      },
      lost: (reason) => {
        if (over || this.#closed) return;
        over = true;
        this.#lost(reason);
      },
    });
  }

  #schedule(present: ReadonlySet<string>): void {
    // A pause that ends while close() waits.
    if (this.#closed) return;
    clearTimeout(this.#refused);
    this.#reconciling = this.#reconciling.then(async () => {
      const done = await this.#reconcile(present);
      if (done || this.#closed) return;
      // AddPort is idempotent, so nothing is taken as present.
      const again = (): void => this.#schedule(new Set());
      this.#refused = setTimeout(again, this.#options.refusedMillis ?? 5000);
    });
  }

  #lost(reason: unknown): void {
    if (this.#reachable !== false) this.#options.log.warn({ error: String(reason) }, 'the switch is gone');
    this.#health(false);
    this.#timer = setTimeout(() => this.#open(), this.#backoff.next());
  }

  #health(reachable: boolean): void {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    this.#options.onHealth?.(reachable);
  }

  async #reconcile(present: ReadonlySet<string>): Promise<boolean> {
    const { store, nodeSwitch, log } = this.#options;
    const missing = store.list().filter(({ port }) => !present.has(port));
    const added = missing.map((attachment) => this.#add(attachment));
    const buried = store.buriedPorts().map((port) =>
      this.#attempt(`remove ${port}`, async () => {
        await nodeSwitch.removePort(port);
        store.forgetBuriedPort(port);
      }),
    );
    const done = await Promise.all([...added, ...buried]);
    if (missing.length > 0) log.info({ ports: missing.length }, 'ports given to the switch again');
    return done.every(Boolean);
  }

  #add(attachment: Attachment): Promise<boolean> {
    const { store, nodeSwitch, queue } = this.#options;
    return queue.run(attachment.containerId, async () => {
      const now = store.get(attachment);
      if (now?.state !== 'ready') return true;
      return this.#attempt(`add ${now.port}`, () => nodeSwitch.addPort(wantedPort(now)));
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
