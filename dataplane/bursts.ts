// SPDX-License-Identifier: Apache-2.0
//
// Between native bursts and a handler: the objects that a handler sees, made once over the shared memory, and the loop that
// gives it one burst after the other.

import { types } from 'node:util';
import { usvError } from '../lib/errors.ts';
import type { BurstLayout } from '../native/index.ts';
import { type Holder, SharedFrame } from './frame.ts';
import type { Burst, Frame, PacketHandler } from './packet-api.ts';

/** The native end that bursts come from (NativeFrameConsumer). */
export interface BurstSource {
  readonly memory: ArrayBuffer;
  readonly layout: BurstLayout;
  /** Index of the oldest burst without a decision, or -1. */
  take(): number;
  give(failed: boolean): void;
}

class BurstFrames implements Iterator<Frame> {
  readonly #burst: Burst;
  readonly #result: { done: boolean; value: Frame };
  #next = 0;

  constructor(burst: Burst) {
    this.#burst = burst;
    this.#result = { done: false, value: burst.at(0) };
  }
  next(): IteratorResult<Frame> {
    if (this.#next < this.#burst.length) this.#result.value = this.#burst.at(this.#next++);
    else this.#result.done = true;
    return this.#result;
  }
}

class SharedBurst implements Burst {
  readonly #words: Uint32Array;
  readonly #countAt: number;
  readonly #portAt: number;
  readonly #frames: readonly SharedFrame[];
  readonly #holder: Holder;
  #length = 0;

  constructor(memory: ArrayBuffer, layout: BurstLayout, index: number, ports: number) {
    const start = index * layout.wordsBytes;
    this.#words = new Uint32Array(memory, start, layout.wordsBytes / 4);
    this.#countAt = layout.countOffset / 4;
    this.#portAt = layout.portOffset / 4;
    this.#holder = { open: false, port: 0, ports };
    this.#frames = Array.from({ length: layout.frames }, (_, frame) => {
      const at = layout.framesOffset + (index * layout.frames + frame) * layout.frameStride;
      const place = {
        bytes: new Uint8Array(memory, at, layout.capacity),
        length: new Uint32Array(memory, start + layout.lengthOffset + frame * 4, 1),
        verdict: new Int32Array(memory, start + layout.verdictOffset + frame * 4, 1),
      };
      return new SharedFrame(place, this.#holder);
    });
  }

  open(): void {
    this.#length = this.#words[this.#countAt] ?? 0;
    this.#holder.port = this.#words[this.#portAt] ?? 0;
    this.#holder.open = true;
  }
  close(): void {
    this.#holder.open = false;
  }

  get port(): number {
    return this.#holder.port;
  }
  get length(): number {
    return this.#length;
  }
  at(index: number): Frame {
    const frame = index < this.#length ? this.#frames[index] : undefined;
    if (frame !== undefined) return frame;
    const expected = `an index below ${this.#length}`;
    throw usvError('USV_HANDLER', { what: 'at() of a burst', expected, got: String(index) });
  }
  [Symbol.iterator](): Iterator<Frame> {
    return new BurstFrames(this);
  }
}

export interface BurstLoopOptions {
  readonly ports: number;
  readonly handler: PacketHandler;
  /** Takes what onBurst() threw. */
  readonly onError: (error: unknown) => void;
}

/** Bursts in one turn of the event loop; what else the worker has to do comes in between. */
const burstsInTurn = 16;

export class BurstLoop {
  readonly #source: BurstSource;
  readonly #options: BurstLoopOptions;
  readonly #bursts: readonly SharedBurst[];

  constructor(source: BurstSource, options: BurstLoopOptions) {
    this.#source = source;
    this.#options = options;
    const { memory, layout } = source;
    this.#bursts = Array.from(
      { length: layout.bursts },
      (_, index) => new SharedBurst(memory, layout, index, options.ports),
    );
  }

  /** Has the handler decide on what is there. True: there may be more, call again; false: the source tells when there is. */
  turn(): boolean {
    for (let done = 0; done < burstsInTurn; done++) {
      const burst = this.#bursts[this.#source.take()];
      if (burst === undefined) return false;
      this.#source.give(!this.#handle(burst));
    }
    return true;
  }

  #handle(burst: SharedBurst): boolean {
    const { handler, onError } = this.#options;
    burst.open();
    try {
      const result: unknown = handler.onBurst(burst);
      if (!types.isPromise(result)) return true;
      const what = 'the result of onBurst()';
      throw usvError('USV_HANDLER', { what, expected: 'no promise', got: 'one' });
    } catch (error) {
      onError(error);
      return false;
    } finally {
      burst.close();
    }
  }
}
