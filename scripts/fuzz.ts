// SPDX-License-Identifier: Apache-2.0
//
// Runs libFuzzer targets: `fuzz.ts TARGET [--seconds N]`, `fuzz.ts --list`. Targets are the files of native/fuzz/. What is
// found lies in build/fuzz/found/, the corpus that grows in build/fuzz/corpus/.

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { usvError } from '../lib/errors.ts';
import { buildDirectory, buildNative } from './build-native.ts';
import { main, projectRoot, run } from './main.ts';
import type { Outcome } from './suites/outcome.ts';

const sources = join(projectRoot, 'native/fuzz');

/** Names of all targets, sorted; empty in a checkout without any. */
export function fuzzTargets(): string[] {
  if (!existsSync(sources)) return [];
  return readdirSync(sources)
    .filter((name) => name.endsWith('.cc'))
    .map((name) => basename(name, '.cc'))
    .toSorted();
}

interface FuzzOptions {
  readonly seconds: number;
}

/** Builds and runs one target; passed when nothing was found. */
export async function runFuzz(target: string, { seconds }: FuzzOptions): Promise<Outcome> {
  await buildNative('fuzz');
  const directory = buildDirectory('fuzz');
  const corpus = join(directory, 'corpus', target);
  const found = join(directory, 'found', target);
  for (const each of [corpus, found]) mkdirSync(each, { recursive: true });
  const seeds = join(sources, 'corpus', target);
  const { code } = await run(
    join(directory, `fuzz_${target}`),
    [
      `-max_total_time=${seconds}`,
      '-print_final_stats=1',
      '-timeout=10',
      `-artifact_prefix=${found}/`,
      corpus,
      ...(existsSync(seeds) ? [seeds] : []),
    ],
    { inherit: true },
  );
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: {} };
}

if (import.meta.main) {
  await main(async () => {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { list: { type: 'boolean' }, seconds: { type: 'string', default: '60' } },
    });
    const targets = fuzzTargets();
    if (values.list === true) {
      process.stdout.write(targets.map((target) => `${target}\n`).join(''));
      return 0;
    }
    const [target] = positionals;
    if (target === undefined || positionals.length > 1 || !targets.includes(target)) {
      const expected = `one of ${targets.join(', ')}`;
      throw usvError('USV_USAGE', {
        what: 'the target',
        expected,
        got: JSON.stringify(positionals.join(' ')),
      });
    }
    const seconds = Number(values.seconds);
    if (!Number.isInteger(seconds) || seconds < 1)
      throw usvError('USV_USAGE', {
        what: '--seconds',
        expected: 'a whole number from 1',
        got: values.seconds,
      });
    const { failed } = await runFuzz(target, { seconds });
    return failed;
  });
}
