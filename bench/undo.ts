// SPDX-License-Identifier: Apache-2.0
//
// What a run has started, ended in reverse order whatever happened.

/** Calls `body` with a function that takes an undo step for each thing started. */
export async function withUndo<Value>(
  body: (undo: (step: () => void | Promise<void>) => void) => Promise<Value>,
): Promise<Value> {
  const steps: (() => void | Promise<void>)[] = [];
  try {
    return await body((step) => void steps.push(step));
  } finally {
    for (const step of steps.reverse()) await step();
  }
}
