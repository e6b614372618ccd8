// SPDX-License-Identifier: Apache-2.0
//
// What a benchmark case is: candidates that do the same work, measured in turn. The first candidate is ours; every other
// one is a peer unless it says that it is no comparison.

import type { PeerName } from '../scripts/packages.ts';

/** What a run of a candidate gets. */
export interface RunContext {
  /** Length of what is measured. */
  readonly seconds: number;
  /** CPU of the side that is measured, where only one side is. */
  readonly firstCpu: number;
  /** CPU of the other side. */
  readonly secondCpu: number;
  /** Whether peers may have their memory in hugepages. */
  readonly hugepages: boolean;
  /** Aborted when the benchmark is interrupted. */
  readonly stop: AbortSignal;
  /** Resolves after so many seconds. @throws when the benchmark is interrupted */
  wait(seconds: number): Promise<void>;
}

export interface Metric {
  /** Named in `params` when a case has several; '' when there is one. */
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** False: no ratio is formed, since neither more nor less is ahead. Default true. */
  readonly compared?: boolean;
}

/** One number by name of metric; what a candidate cannot measure is left out. */
export type Values = Readonly<Record<string, number>>;

export interface Candidate {
  readonly name: string;
  /** Programs without which it cannot run. */
  readonly needs: readonly PeerName[];
  /** A part of the work, shown for itself; no ratio is formed with it. */
  readonly partial?: boolean;
  /** One run, from nothing to nothing: what it starts it ends. */
  run(context: RunContext): Promise<Values>;
}

export interface BenchCase {
  readonly name: string;
  readonly params: Readonly<Record<string, string | number>>;
  readonly metrics: readonly Metric[];
  /** Makes what all runs share, before the first; returns what takes it back after the last. */
  readonly prepare?: () => Promise<() => Promise<void>>;
  readonly candidates: readonly Candidate[];
}

/** Cases under one name on the command line. */
export interface CaseGroup {
  readonly name: string;
  /** One line for --list. */
  readonly about: string;
  /** Only when it is named: it takes more than a minute to set up. */
  readonly onRequest?: boolean;
  readonly cases: readonly BenchCase[];
}
