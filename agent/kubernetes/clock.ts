// SPDX-License-Identifier: Apache-2.0
//
// Time as the side of the agent that talks to Kubernetes sees it, so that a test can have its own.

import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `millis`, or at once when `signal` is aborted; it never rejects. */
  sleep(millis: number, signal: AbortSignal): Promise<void>;
}

export const machineClock: Clock = {
  now: () => Date.now(),
  sleep: async (millis, signal) => {
    if (signal.aborted) return;
    const aborted = Promise.withResolvers<void>();
    const end = (): void => aborted.resolve();
    signal.addEventListener('abort', end, { once: true });
    const timer = new AbortController();
    const slept = wait(millis, undefined, { signal: timer.signal }).catch((error: unknown) => {
      if (!timer.signal.aborted) throw error;
    });
    await Promise.race([slept, aborted.promise]);
    timer.abort();
    signal.removeEventListener('abort', end);
  },
};

/** Kubernetes' MicroTime of a moment in milliseconds since 1970. */
export function microTime(millis: number): string {
  return new Date(millis).toISOString().replace('Z', '000Z');
}

/** Kubernetes' Time, whole seconds. */
export function wholeSeconds(millis: number): string {
  return new Date(millis).toISOString().replace(/\.\d+Z$/, 'Z');
}
