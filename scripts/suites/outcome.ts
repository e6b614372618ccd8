// SPDX-License-Identifier: Apache-2.0
//
// What a suite came to, and how suites add up to the lines at the end of a run.

/** Why tests were skipped that named no missing peer: a filter on the command line, or test.skip by hand. */
export const withoutReason = 'no reason given';

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** Number of skipped tests by reason. */
  readonly skipped: Readonly<Record<string, number>>;
}

export function addUp(outcomes: readonly Outcome[]): Outcome {
  const skipped: Record<string, number> = {};
  for (const outcome of outcomes) {
    for (const [reason, count] of Object.entries(outcome.skipped))
      skipped[reason] = (skipped[reason] ?? 0) + count;
  }
  const sum = (key: 'passed' | 'failed'): number => outcomes.reduce((total, each) => total + each[key], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped };
}

/** With every peer required, what was skipped has failed. */
export function requireEverything(outcome: Outcome): Outcome {
  const { passed, failed, skipped } = outcome;
  const notRun = Object.values(skipped).reduce((total, count) => total + count, 0);
  return { passed, failed: failed + notRun, skipped };
}

/** The list of what was skipped, then `N passed, N failed` with `, N skipped` when there is any. */
export function summaryOf({ passed, failed, skipped }: Outcome): string {
  const reasons = Object.entries(skipped);
  const lines = reasons.map(([reason, count]) => `  ${reason}: ${count} ${count === 1 ? 'test' : 'tests'}`);
  const total = reasons.reduce((sum, [, count]) => sum + count, 0);
  if (total > 0) lines.unshift('Skipped:');
  lines.push(`${passed} passed, ${failed} failed${total > 0 ? `, ${total} skipped` : ''}`);
  return lines.join('\n');
}
