// SPDX-License-Identifier: Apache-2.0
//
// Rates from two looks at a counter.

import type { RunContext } from './case.ts';

/** Not measured: caches, page tables and the first addresses are warm after it. */
export const warmUpSeconds = 0.3;

interface Look {
  readonly count: number;
  /** Milliseconds. */
  readonly at: number;
}

/** Millions of frames per second that the counter shows over a run, after a warm-up. */
export async function megaframes(
  context: RunContext,
  counter: () => number | Promise<number>,
): Promise<number> {
  const look = async (): Promise<Look> => ({ count: await counter(), at: performance.now() });
  await context.wait(warmUpSeconds);
  const first = await look();
  await context.wait(context.seconds);
  const last = await look();
  return (last.count - first.count) / (last.at - first.at) / 1000;
}
