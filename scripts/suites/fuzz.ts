// SPDX-License-Identifier: Apache-2.0
//
// Runs libFuzzer targets, the files of native/fuzz/, as many at a time as there are CPUs, or one behind everything else. What is found lies in build/fuzz/found/,
// the corpus that grows in build/fuzz/corpus/; the one that is committed is read and never written.

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { buildDirectory, buildNative } from '../build-native.ts';
import { projectRoot, run } from '../main.ts';
import { commandIn, type Place } from '../place.ts';
import { addUp, type Outcome } from './outcome.ts';

const sources = join(projectRoot, 'native/fuzz');

/** Names of all targets, sorted; empty in a checkout without any. */
export function fuzzTargets(): string[] {
  if (!existsSync(sources)) return [];
  return readdirSync(sources)
    .filter((name) => name.endsWith('.cc'))
    .map((name) => basename(name, '.cc'))
    .toSorted();
}

/** When a target ends; with both, by what comes first. */
export interface FuzzLimits {
  readonly seconds?: number;
  /** Executions, those of the corpus among them. */
  readonly runs?: number;
}

/** Arguments of libFuzzer. `seeds` is the committed corpus, where there is one. */
export function fuzzArguments(
  { seconds, runs }: FuzzLimits,
  { corpus, found, seeds }: { readonly corpus: string; readonly found: string; readonly seeds?: string },
): string[] {
  return [
    ...(seconds === undefined ? [] : [`-max_total_time=${seconds}`]),
    ...(runs === undefined ? [] : [`-runs=${runs}`]),
    '-print_final_stats=1',
    '-timeout=10',
    `-artifact_prefix=${found}/`,
    corpus,
    ...(seeds === undefined ? [] : [seeds]),
  ];
}

/** Executions that a target's last lines tell of; undefined when it ended before them. */
export function parseExecutions(output: string): number | undefined {
  const found = /^stat::number_of_executed_units:\s*(\d+)$/m.exec(output);
  return found === null ? undefined : Number(found[1]);
}

/** A run without executions has tested nothing, whatever its status says. */
export function fuzzOutcome(code: number, output: string): Outcome {
  const passed = code === 0 && (parseExecutions(output) ?? 0) > 0 ? 1 : 0;
  return { passed, failed: 1 - passed, skipped: {} };
}

/** The line of a target that has ended. */
export function fuzzLine(target: string, code: number, output: string, seconds: number): string {
  const executions = `${parseExecutions(output) ?? 0} executions in ${seconds.toFixed(0)} s`;
  const verdict = fuzzOutcome(code, output).failed === 0 ? 'passed' : `FAILED with status ${code}`;
  return `${target}: ${verdict}, ${executions}\n`;
}

interface Manner {
  /** Output is seen as it comes, not only when the target failed. */
  readonly loud: boolean;
  readonly place: Place;
}

/** Runs one target that is built. */
async function runOne(target: string, limits: FuzzLimits, { loud, place }: Manner): Promise<Outcome> {
  const directory = buildDirectory('fuzz');
  const corpus = join(directory, 'corpus', target);
  const found = join(directory, 'found', target);
  for (const each of [corpus, found]) mkdirSync(each, { recursive: true });
  const seeds = join(sources, 'corpus', target);
  const folders = { corpus, found, ...(existsSync(seeds) ? { seeds } : {}) };
  const begin = performance.now();
  const program = join(directory, `fuzz_${target}`);
  const { command, args } = commandIn(place, program, fuzzArguments(limits, folders));
  const { code, output } = await run(
    command,
    args,
    loud ? { onLine: (line) => process.stdout.write(`${line}\n`) } : {},
  );
  const seconds = (performance.now() - begin) / 1000;
  const outcome = fuzzOutcome(code, output);
  if (!loud && outcome.failed > 0) process.stdout.write(output);
  process.stdout.write(fuzzLine(target, code, output, seconds));
  return outcome;
}

/** Builds and runs targets, a line for each when it has ended. In the background: one at a time, and other programs come first. */
export async function runFuzz(
  targets: readonly string[],
  limits: FuzzLimits,
  place: Place = 'foreground',
): Promise<Outcome> {
  await buildNative('fuzz');
  const waiting = [...targets];
  const outcomes: Outcome[] = [];
  const lane = async (): Promise<void> => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift())
      outcomes.push(await runOne(target, limits, { loud: targets.length === 1, place }));
  };
  await Promise.all(Array.from({ length: place === 'background' ? 1 : navigator.hardwareConcurrency }, lane));
  return addUp(outcomes);
}
