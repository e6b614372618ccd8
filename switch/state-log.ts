// SPDX-License-Identifier: Apache-2.0
//
// A line of log for each change of a port's state. A front-end makes such changes as fast as it can send messages, so a port
// has a hundred lines at once and two a second; what it does beyond is counted, and the state in the end is always told.

import type { Logger } from '../lib/log.ts';
import { TokenBucket } from '../lib/token-bucket.ts';
import type { SwitchEvent } from '../native/index.ts';

const burst = 100;
const perSecond = 2;

export interface StateLogOptions {
  readonly log: Logger;
  /** Milliseconds of a clock that does not go back. */
  readonly now: () => number;
  /** Calls back once after so many milliseconds, unless the process ends before. */
  readonly later: (call: () => void, millis: number) => void;
  /** Whether the port is still the one of that name; what is untold of one that is gone stays untold. */
  readonly isThere: (port: object, name: string) => boolean;
}

interface PortLog {
  readonly bucket: TokenBucket;
  /** Changes since the last line, and the newest of them. */
  untold: number;
  newest: SwitchEvent | undefined;
}

/** A port is whatever object stands for it: one that is made anew under the same name begins anew here. */
export class StateLog {
  readonly #options: StateLogOptions;
  readonly #ports = new WeakMap<object, PortLog>();

  constructor(options: StateLogOptions) {
    this.#options = options;
  }

  changed(port: object, event: SwitchEvent): void {
    const { now } = this.#options;
    const found = this.#ports.get(port);
    const state: PortLog = found ?? {
      bucket: new TokenBucket({ burst, perSecond, now }),
      untold: 0,
      newest: undefined,
    };
    if (found === undefined) this.#ports.set(port, state);
    const waits = state.newest !== undefined;
    state.newest = event;
    state.untold++;
    // The line that is waited for tells of this change too.
    if (!waits) this.#tell(port, state);
  }

  #tell(port: object, state: PortLog): void {
    const { newest, untold, bucket } = state;
    if (newest === undefined || !this.#options.isThere(port, newest.port)) return;
    if (!bucket.take()) {
      this.#options.later(() => this.#tell(port, state), bucket.wait());
      return;
    }
    state.newest = undefined;
    state.untold = 0;
    const more = untold > 1 ? { changes: untold } : {};
    const { port: name, reason } = newest;
    this.#options.log.info({ port: name, state: newest.state, reason, ...more }, 'port state');
  }
}
