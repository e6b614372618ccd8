// SPDX-License-Identifier: Apache-2.0
//
// What the log of the switch has said of its ports. Unlike WatchPorts, which has the newest state of each port, it tells one
// state after the other.

import { EventEmitter, once } from 'node:events';
import type { PortLine } from './observation.ts';

/** A line of the switch's log, or nothing when it is about something else. */
function portLine(text: string): PortLine | undefined {
  if (!text.includes('"port state"')) return undefined;
  const { port, state, reason } = JSON.parse(text) as Partial<PortLine>;
  return port === undefined || state === undefined ? undefined : { port, state, reason: reason ?? '' };
}

export class PortLog {
  readonly #changed = new EventEmitter();
  readonly #lines: PortLine[] = [];
  #listens = false;

  take(text: string): void {
    if (text.includes('"switch is listening"')) this.#listens = true;
    const line = portLine(text);
    if (line !== undefined) this.#lines.push(line);
    this.#changed.emit('change');
  }

  async listening(): Promise<void> {
    while (!this.#listens) await once(this.#changed, 'change');
  }

  /** Waits for a line about the port. */
  async told(port: string): Promise<void> {
    while (!this.#lines.some((line) => line.port === port)) await once(this.#changed, 'change');
  }

  /** All lines since the last call. */
  takeAll(): readonly PortLine[] {
    return this.#lines.splice(0);
  }
}
