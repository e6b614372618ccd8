// SPDX-License-Identifier: Apache-2.0
//
// A timed run of txonly: starts when all links are up, stops after the given time, then waits until no frame comes in
// any more, so that what is missing at the end is missing and not under way.

import type { DataplaneReport } from '../native/index.ts';

export interface TrafficTarget {
  setRunning(running: boolean): void;
  report(): DataplaneReport;
}

export interface TrafficResult {
  readonly sent: number;
  readonly received: number;
  readonly corrupted: number;
  /** Measured from the first to the last moment of sending. */
  readonly seconds: number;
}

export interface TrafficClock {
  now(): number;
  /** Resolves after so many milliseconds, at once when aborted. */
  wait(millis: number): Promise<void>;
}

/** A dataplane is quiet when nothing came in for so long. */
const quietMillis = 100;
/** Frames under way are at most what the rings hold; a peer that stalls for longer has lost them. */
const drainMillis = 2000;

function counted(target: TrafficTarget, name: string): number {
  return target.report().engine[name] ?? 0;
}

/** `seconds` 0 runs until the clock's wait is aborted. */
export async function runTraffic(
  target: TrafficTarget,
  seconds: number,
  clock: TrafficClock,
): Promise<TrafficResult> {
  const start = clock.now();
  target.setRunning(true);
  await clock.wait(seconds * 1000);
  target.setRunning(false);
  const elapsed = (clock.now() - start) / 1000;
  let received = -1;
  for (const end = clock.now() + drainMillis; clock.now() < end; ) {
    const now = counted(target, 'received');
    if (now === received) break;
    received = now;
    await clock.wait(quietMillis);
  }
  return {
    sent: counted(target, 'sent'),
    received: counted(target, 'received'),
    corrupted: counted(target, 'corrupted'),
    seconds: elapsed,
  };
}
