// SPDX-License-Identifier: Apache-2.0
//
// A daemon's life after its start: it runs until it is told to stop, and is closed then.

/** Resolves when the daemon is closed, which it is at once where `stop` is aborted already. */
export async function runUntil(
  stop: AbortSignal,
  daemon: { readonly close: () => Promise<void> },
): Promise<void> {
  if (!stop.aborted)
    await new Promise<void>((resolve) => stop.addEventListener('abort', () => resolve(), { once: true }));
  await daemon.close();
}
