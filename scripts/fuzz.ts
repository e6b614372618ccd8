// SPDX-License-Identifier: Apache-2.0
//
// Runs libFuzzer targets: `fuzz.ts TARGET|all [--seconds N] [--runs N]`, `fuzz.ts --list`. The last line of its output is
// `N passed, N failed`. With --runs alone there is no limit of time.

import { parseArgs } from 'node:util';
import { usvError } from '../lib/errors.ts';
import { main } from './main.ts';
import { type FuzzLimits, fuzzTargets, runFuzz } from './suites/fuzz.ts';
import { summaryOf } from './suites/outcome.ts';

const help = `Usage: npm run fuzz -- TARGET|all [flags]

Runs libFuzzer targets; findings are kept in build/fuzz/found/.

  --list         the targets
  --seconds N    time for each, default 60
  --runs N       executions of each; without --seconds there is no limit of time

Examples:
  npm run fuzz -- all --seconds 60
  npm run fuzz -- split_chains --runs 100000000

Status: 0 when all have passed, 1 when one has not.
`;

export interface FuzzRequest {
  readonly targets: readonly string[];
  readonly limits: FuzzLimits;
}

function count(option: string, value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= 1) return number;
  throw usvError('USV_USAGE', { what: option, expected: 'a whole number from 1', got: value });
}

/** What the arguments ask for. @throws UsvhostError USV_USAGE for an unknown target, or a number that is none. */
export function parseFuzzRequest(
  words: readonly string[],
  values: { readonly seconds?: string; readonly runs?: string },
  known: readonly string[] = fuzzTargets(),
): FuzzRequest {
  const [target] = words;
  if (target === undefined || words.length > 1 || ![...known, 'all'].includes(target))
    throw usvError('USV_USAGE', {
      what: 'the target',
      expected: `one of ${[...known, 'all'].join(', ')}`,
      got: JSON.stringify(words.join(' ')),
    });
  const { seconds, runs } = values;
  const limits = {
    ...(runs === undefined ? {} : { runs: count('--runs', runs) }),
    ...(seconds === undefined ? {} : { seconds: count('--seconds', seconds) }),
  };
  return {
    targets: target === 'all' ? known : [target],
    limits: runs === undefined && seconds === undefined ? { seconds: 60 } : limits,
  };
}

if (import.meta.main) {
  await main(async () => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { list: { type: 'boolean' }, seconds: { type: 'string' }, runs: { type: 'string' } },
    });
    if (values.list === true) {
      process.stdout.write(
        fuzzTargets()
          .map((target) => `${target}\n`)
          .join(''),
      );
      return 0;
    }
    const { targets, limits } = parseFuzzRequest(positionals, values);
    const outcome = await runFuzz(targets, limits);
    process.stdout.write(`\n${summaryOf(outcome)}\n`);
    return outcome.failed > 0 || outcome.passed === 0 ? 1 : 0;
  }, help);
}
