// SPDX-License-Identifier: Apache-2.0
//
// Runs the C++ unit tests, plain or under a sanitizer. A crash counts as one failure more than doctest could report.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildDirectory, buildNative, type Variant } from '../build-native.ts';
import { run } from '../main.ts';
import { describePeers, findProgram, missingPeers } from '../packages.ts';
import type { Outcome } from './outcome.ts';

const sanitizerOptions = {
  ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
};

const summary = /^\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped$/m;

/** Counts of doctest's summary line; undefined when the output has none, as after a crash. */
export function parseSummary(output: string): Outcome | undefined {
  const found = summary.exec(output);
  if (found === null) return undefined;
  const [, , passed, failed, skipped] = found.map(Number);
  return {
    passed: passed ?? 0,
    failed: failed ?? 0,
    skipped: skipped === undefined || skipped === 0 ? {} : { 'switched off in C++': skipped },
  };
}

/** Builds and runs one variant. */
export async function runDoctest(variant: Variant, args: readonly string[] = []): Promise<Outcome> {
  await buildNative(variant);
  const program = join(buildDirectory(variant), 'unit_tests');
  const missing = missingPeers(['doctest']);
  if (missing.length > 0 || !existsSync(program))
    return { passed: 0, failed: 0, skipped: { [`needs ${describePeers(['doctest'])}`]: 1 } };
  // The thread sanitizer's shadow memory collides with the widest address randomisation that kernels use by now.
  const fixed = variant === 'tsan' ? findProgram('setarch') : undefined;
  const command = fixed === undefined ? [program] : [fixed, '-R', program];
  const { code, output } = await run(
    command[0] ?? program,
    [...command.slice(1), '--no-colors=true', ...args],
    {
      onLine: (line) => process.stdout.write(`${line}\n`),
      env: sanitizerOptions,
    },
  );
  const outcome = parseSummary(output);
  if (outcome === undefined) {
    process.stdout.write(`${program} ended with status ${code} before its summary\n`);
    return { passed: 0, failed: 1, skipped: {} };
  }
  // A sanitizer reports leaks and races after doctest has counted.
  return code !== 0 && outcome.failed === 0 ? { ...outcome, failed: 1 } : outcome;
}
