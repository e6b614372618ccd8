// SPDX-License-Identifier: Apache-2.0
//
// Bursts in memory of the test instead of a dataplane's: with the places that native code would give, and its part done here.

import type { BurstSource } from '../../../dataplane/bursts.ts';
import type { BurstLayout } from '../../../native/index.ts';

/** Small, but laid out as the native one is: words of each burst first, then places for frames with a gap between them. */
const layout: BurstLayout = {
  bursts: 4,
  frames: 8,
  capacity: 2048,
  wordsBytes: 128,
  countOffset: 0,
  portOffset: 4,
  lengthOffset: 8,
  verdictOffset: 40,
  framesOffset: 512,
  frameStride: 2112,
};

export interface Decided {
  readonly failed: boolean;
  /** Port that each frame goes out by, -1: dropped; and the frame as it was left. */
  readonly frames: readonly { readonly verdict: number; readonly bytes: Uint8Array }[];
}

export class SharedBursts implements BurstSource {
  readonly memory = new ArrayBuffer(layout.framesOffset + layout.bursts * layout.frames * layout.frameStride);
  readonly layout = layout;
  readonly decided: Decided[] = [];
  #published = 0;

  #words(index: number): Int32Array {
    return new Int32Array(this.memory, index * layout.wordsBytes, layout.wordsBytes / 4);
  }
  #frame(index: number, frame: number): Uint8Array {
    const at = layout.framesOffset + (index * layout.frames + frame) * layout.frameStride;
    return new Uint8Array(this.memory, at, layout.capacity);
  }

  publish(port: number, ...frames: readonly Uint8Array[]): void {
    const index = this.#published++ % layout.bursts;
    const words = this.#words(index);
    words.set([frames.length, port]);
    for (const [n, bytes] of frames.entries()) {
      this.#frame(index, n).set(bytes);
      words[layout.lengthOffset / 4 + n] = bytes.length;
      words[layout.verdictOffset / 4 + n] = -1;
    }
  }

  take(): number {
    return this.decided.length < this.#published ? this.decided.length % layout.bursts : -1;
  }

  give(failed: boolean): void {
    const index = this.take();
    const words = this.#words(index);
    const frames = Array.from({ length: words[0] ?? 0 }, (_, n) => ({
      verdict: words[layout.verdictOffset / 4 + n] ?? 0,
      bytes: this.#frame(index, n).slice(0, words[layout.lengthOffset / 4 + n]),
    }));
    this.decided.push({ failed, frames });
  }
}
