// SPDX-License-Identifier: Apache-2.0
//
// How a command that runs until it is told to stop hears that.

/** Aborted by the first of the signals; a second one of the same kind ends the process at once. */
export function stopSignal(...others: readonly NodeJS.Signals[]): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', ...others] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
