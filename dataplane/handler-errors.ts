// SPDX-License-Identifier: Apache-2.0
//
// What a handler throws is told once a kind, since whoever can make it throw may do so for each frame.

import type { HandlerLog } from './packet-api.ts';

/** After so many kinds no further one is told. */
const mostKinds = 32;
/** Of a message; what is longer is often made of the frame. */
const kindLength = 120;

export class HandlerErrors {
  readonly #log: HandlerLog;
  readonly #kinds = new Set<string>();

  constructor(log: HandlerLog) {
    this.#log = log;
  }

  tell(thrown: unknown): void {
    if (this.#kinds.size >= mostKinds) return;
    const text = thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown);
    // Numbers tell frames apart, not kinds of errors.
    const kind = (text.split('\n')[0] ?? '').replaceAll(/\d+/g, 'N').slice(0, kindLength);
    if (this.#kinds.has(kind)) return;
    this.#kinds.add(kind);
    this.#log.error(`onBurst() threw, its frames are dropped; said once: ${text}`);
    if (this.#kinds.size === mostKinds) this.#log.error('no further kinds of errors of onBurst() are told');
  }
}
