// SPDX-License-Identifier: Apache-2.0
//
// Tells watchers of the ports what happened: one snapshot, then changes. A watcher that reads slowly or not at all must
// cost a bounded amount of memory: while its stream is full only the newest event of each port is kept, and when even
// those are too many they are replaced by one new snapshot.

/** A port by name: `value` is its newest form, undefined means it is gone. */
export interface PortChange<Value> {
  readonly name: string;
  readonly value: Value | undefined;
  readonly reason: string;
}

/** Where events go. `write` returns false when the peer must drain before more is written (stream.Writable). */
export interface WatchSink<Value> {
  snapshot(): boolean;
  change(change: PortChange<Value>): boolean;
  end(): void;
}

export interface Watcher {
  /** To be called when the sink has drained. */
  drained(): void;
  /** To be called when the sink is gone; nothing is written afterwards. */
  leave(): void;
  /** Changes kept back at the moment; at most `maxPending`. */
  readonly pending: number;
}

export class WatchHub<Value> {
  readonly #watchers = new Set<HubWatcher<Value>>();
  readonly #maxPending: number;

  constructor(options: { readonly maxPending: number }) {
    this.#maxPending = options.maxPending;
  }

  /** Number of watchers. */
  get size(): number {
    return this.#watchers.size;
  }

  /** Adds a watcher and sends it its snapshot at once. */
  add(sink: WatchSink<Value>): Watcher {
    const watcher = new HubWatcher(sink, this.#maxPending, () => this.#watchers.delete(watcher));
    this.#watchers.add(watcher);
    watcher.flush();
    return watcher;
  }

  publish(change: PortChange<Value>): void {
    for (const watcher of this.#watchers) watcher.offer(change);
  }

  /** Ends every watcher's stream. */
  close(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }
}

class HubWatcher<Value> implements Watcher {
  readonly #sink: WatchSink<Value>;
  readonly #maxPending: number;
  readonly #onLeave: () => void;
  readonly #pending = new Map<string, PortChange<Value>>();
  #snapshotDue = true;
  #full = false;
  #gone = false;

  constructor(sink: WatchSink<Value>, maxPending: number, onLeave: () => void) {
    this.#sink = sink;
    this.#maxPending = maxPending;
    this.#onLeave = onLeave;
  }

  get pending(): number {
    return this.#pending.size;
  }

  offer(change: PortChange<Value>): void {
    if (this.#gone || (this.#full && this.#snapshotDue)) return;
    // Deleting first keeps the order of last changes.
    this.#pending.delete(change.name);
    this.#pending.set(change.name, change);
    if (this.#pending.size > this.#maxPending) {
      this.#pending.clear();
      this.#snapshotDue = true;
    }
    this.flush();
  }

  flush(): void {
    if (this.#snapshotDue && !this.#full && !this.#gone) {
      this.#snapshotDue = false;
      this.#full = !this.#sink.snapshot();
    }
    for (const [name, change] of this.#pending) {
      if (this.#full || this.#gone) return;
      this.#pending.delete(name);
      this.#full = !this.#sink.change(change);
    }
  }

  drained(): void {
    this.#full = false;
    this.flush();
  }

  leave(): void {
    this.#gone = true;
    this.#pending.clear();
    this.#onLeave();
  }

  end(): void {
    this.#gone = true;
    this.#pending.clear();
    this.#sink.end();
  }
}
