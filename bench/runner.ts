// SPDX-License-Identifier: Apache-2.0
//
// Measures cases: rounds of all candidates in turn (A B A B …), so that a change of the machine's speed meets all of them.

import { describePeers, missingPeers, packagesOf } from '../scripts/packages.ts';
import type { BenchCase, Candidate, Metric, RunContext, Values } from './case.ts';
import type { BenchDocument, MeasuredCandidate, MeasuredCase, Skipped } from './document.ts';
import { median, significant } from './statistics.ts';

export interface RunOptions {
  readonly rounds: number;
  readonly context: RunContext;
  /** Takes a line of progress. */
  readonly onProgress: (line: string) => void;
}

type Result = Pick<BenchDocument, 'cases' | 'skipped'>;

/** `driver-to-vhost size=64` */
export function describeCase({ name, params }: Pick<BenchCase, 'name' | 'params'>): string {
  return [name, ...Object.entries(params).map(([key, value]) => `${key}=${value}`)].join(' ');
}

/** Runs all cases. @throws what a candidate throws, or the reason of `context.stop` */
export async function runCases(cases: readonly BenchCase[], options: RunOptions): Promise<Result> {
  const measured: MeasuredCase[] = [];
  const skipped: Skipped[] = [];
  for (const each of cases) {
    const title = describeCase(each);
    const able: Candidate[] = [];
    for (const candidate of each.candidates) {
      const missing = missingPeers(candidate.needs);
      if (missing.length === 0) {
        able.push(candidate);
        continue;
      }
      options.onProgress(`${title}: ${candidate.name} skipped: needs ${describePeers(missing)}`);
      skipped.push({ case: title, candidate: candidate.name, needs: missing, packages: packagesOf(missing) });
    }
    const runs = able.length === 0 ? new Map() : await runRounds(each, able, options);
    measured.push(...each.metrics.flatMap((metric) => summarize(each, metric, runs) ?? []));
  }
  return { cases: measured, skipped };
}

async function runRounds(
  each: BenchCase,
  able: readonly Candidate[],
  options: RunOptions,
): Promise<ReadonlyMap<string, readonly Values[]>> {
  const { rounds, context, onProgress } = options;
  const title = describeCase(each);
  const runs = new Map<string, Values[]>(able.map(({ name }) => [name, []]));
  const undo = await each.prepare?.();
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const candidate of able) {
        context.stop.throwIfAborted();
        const values = await candidate.run(context);
        runs.get(candidate.name)?.push(values);
        const shown = each.metrics
          .filter(({ name }) => values[name] !== undefined)
          .map(({ name, unit }) => `${name} ${significant(values[name] ?? 0)} ${unit}`.trim());
        onProgress(`${title}: round ${round}: ${candidate.name}: ${shown.join(', ')}`);
      }
    }
    return runs;
  } finally {
    await undo?.();
  }
}

/** Undefined when no candidate has measured it. */
export function summarize(
  each: BenchCase,
  metric: Metric,
  runs: ReadonlyMap<string, readonly Values[]>,
): MeasuredCase | undefined {
  const candidates = [...runs].flatMap(([name, values]): MeasuredCandidate[] => {
    const found = values.flatMap((value) => value[metric.name] ?? []).map(significant);
    if (found.length === 0) return [];
    const middle = significant(median(found));
    return [{ name, runs: found, median: middle, min: Math.min(...found), max: Math.max(...found) }];
  });
  if (candidates.length === 0) return undefined;
  const { unit, better } = metric;
  const params = metric.name === '' ? each.params : { ...each.params, metric: metric.name };
  const ratio = metric.compared === false ? {} : ratios(each, better, candidates);
  return { name: each.name, params, unit, better, candidates, ratio };
}

/** How far ours was ahead in each round: what a machine does for seconds or minutes falls on both of them. */
function inRounds(own: MeasuredCandidate, peer: MeasuredCandidate, better: Metric['better']): number[] {
  return own.runs.flatMap((ours, round) => {
    const theirs = peer.runs[round];
    if (theirs === undefined) return [];
    return better === 'higher' ? ours / theirs : theirs / ours;
  });
}

function ratios(
  each: BenchCase,
  better: Metric['better'],
  candidates: readonly MeasuredCandidate[],
): Record<string, number> {
  const own = candidates.find(({ name }) => name === each.candidates[0]?.name);
  const partial = new Set(each.candidates.filter((one) => one.partial === true).map(({ name }) => name));
  if (own === undefined) return {};
  const rows = candidates
    .filter((peer) => peer !== own && !partial.has(peer.name))
    .map((peer): [string, number] => [peer.name, median(inRounds(own, peer, better))])
    // A peer that measured nothing cannot be compared with.
    .filter(([, ratio]) => Number.isFinite(ratio));
  return Object.fromEntries(rows.map(([name, ratio]) => [name, significant(ratio)]));
}
