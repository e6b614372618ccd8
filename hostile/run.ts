// SPDX-License-Identifier: Apache-2.0
//
// Plays cases one after the other, upon a stage of ours or at sockets of somebody else's back-end.

import { usvFailure } from '../lib/errors.ts';
import { classOf, type HostileCase } from './case.ts';
import { goodFrontEnd } from './front-end.ts';
import { judge } from './observation.ts';
import { play, type Sockets } from './player.ts';
import type { Sanitizer } from './sanitizer.ts';
import { Stage } from './stage.ts';
import { message } from './wire.ts';

export interface CaseResult {
  readonly id: string;
  /** `absent`: the back-end does not offer what the case attacks. */
  readonly outcome: 'passed' | 'failed' | 'absent';
  readonly millis: number;
  /** What is wrong, one sentence each. */
  readonly failures: readonly string[];
}

export interface RunOptions {
  readonly cases: readonly HostileCase[];
  readonly onResult: (result: CaseResult) => void;
  readonly stop: AbortSignal;
  /** The switch of the stage runs under it. */
  readonly sanitizer?: Sanitizer | undefined;
}

export interface MemoryUse {
  readonly beforeKib: number;
  readonly afterKib: number;
  /** What it may have grown by. */
  readonly boundKib: number;
}

export interface RunResult {
  readonly results: readonly CaseResult[];
  /** Anonymous memory of our switch before the first case and after the last one. */
  readonly memory?: MemoryUse;
  /** What a sanitizer had to say, empty for nothing; absent without one. */
  readonly report?: string;
}

/**
 * What the switch's memory may grow by in a run. The calls that the run itself makes, without one attack, account for 10 MiB of
 * heap (stage.ts keeps it small); what leaks is repeated tens of thousands of times.
 */
const memoryBoundKib = 24 * 1024;
/** The same under AddressSanitizer, whose own books are in it: shadow of memory that was touched, and freed memory that is kept. */
const sanitizedMemoryBoundKib = memoryBoundKib + 16 * 1024;

interface Offer {
  readonly features: bigint;
  readonly protocolFeatures: bigint;
}

/** Asks the back-end what it offers. */
async function offerOf(sockets: Sockets, stop: AbortSignal): Promise<Offer> {
  const script = [
    'connect a attacker',
    ...(['GET_FEATURES', 'GET_PROTOCOL_FEATURES'] as const).flatMap((name) => [
      `send a ${message(name)}`,
      'print a',
    ]),
  ];
  const { failure, printed } = await play(script, sockets, stop);
  const [features, protocolFeatures] = printed;
  if (failure !== '' || features === undefined || protocolFeatures === undefined)
    throw usvFailure('USV_HANDSHAKE', `the back-end does not tell its features: ${failure}`);
  return { features: BigInt(features), protocolFeatures: BigInt(protocolFeatures) };
}

function isOffered({ needs = 0n, needsProtocol = 0n }: HostileCase, offer: Offer): boolean {
  return (offer.features & needs) === needs && (offer.protocolFeatures & needsProtocol) === needsProtocol;
}

interface One {
  readonly failures: readonly string[];
  /** The back-end serves nobody any more, so that further cases would tell nothing. */
  readonly over?: boolean;
}
type PlayOne = (each: HostileCase) => Promise<One>;

async function playAll(options: RunOptions, offer: Offer, playOne: PlayOne): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const each of options.cases) {
    if (options.stop.aborted) break;
    const start = performance.now();
    const played = isOffered(each, offer) ? await playOne(each) : undefined;
    const failures = played?.failures;
    // A case that was interrupted has no result.
    if (options.stop.aborted) break;
    const outcome = failures === undefined ? 'absent' : failures.length === 0 ? 'passed' : 'failed';
    const millis = Math.round(performance.now() - start);
    const result: CaseResult = { id: each.id, outcome, millis, failures: failures ?? [] };
    results.push(result);
    options.onResult(result);
    if (played?.over === true) break;
  }
  return results;
}

const calm = 'calm';

async function playOnStage(stage: Stage, each: HostileCase, stop: AbortSignal): Promise<One> {
  const before = await stage.holdings();
  const canaryBefore = await stage.canary();
  const { failure } = await play([...each.script, calm], stage.sockets, stop);
  const told = await stage.whileRunning(stage.quiet());
  const good = await play(goodFrontEnd(true), stage.sockets, stop);
  const later = await stage.whileRunning(stage.quiet());
  const after = await stage.holdings(before);
  const canaryAfter = await stage.canary(canaryBefore);
  await stage.whileRunning(stage.freshPort());
  const failures = judge(each.expect, {
    failedStep: failure,
    failedAfterwards: good.failure,
    // Some lines of a case come late; the good front-end's own are those of one that leaves.
    lines: [...told.lines, ...later.lines],
    lastError: told.lastError,
    switchRuns: stage.running,
    before,
    after,
    canaryBefore,
    canaryAfter,
  });
  return { failures };
}

/** Plays the cases against a switch of ours that is started for them. */
export async function runOnStage(options: RunOptions): Promise<RunResult> {
  const { sanitizer } = options;
  if (sanitizer === undefined) return runOnStageOnly(options);
  try {
    // The switch has ended by the time that this returns, and said everything.
    return { ...(await runOnStageOnly(options)), report: sanitizer.report.text };
  } catch (error) {
    // A switch that ended before its first case, or between two, has said why.
    const { text } = sanitizer.report;
    if (text === '') throw error;
    return { results: [], report: `${text}\n${String(error)}` };
  }
}

async function runOnStageOnly(options: RunOptions): Promise<RunResult> {
  const stage = await Stage.set(options.sanitizer);
  const boundKib = options.sanitizer === undefined ? memoryBoundKib : sanitizedMemoryBoundKib;
  try {
    const offer = await offerOf(stage.sockets, options.stop);
    // Once before anything is measured: what a switch loads and allocates with its first front-end stays.
    await play(goodFrontEnd(true), stage.sockets, options.stop);
    await stage.whileRunning(stage.quiet());
    const beforeKib = stage.memoryKib();
    const results = await playAll(options, offer, async (each) => {
      try {
        return await playOnStage(stage, each, options.stop);
      } catch (error) {
        // The end of the switch is what a case is out for, and its result.
        if (!(await stage.hasEnded())) throw error;
        return { failures: [`expected a switch that lives, got its end: ${String(error)}`], over: true };
      }
    });
    if (!stage.running) return { results };
    return { results, memory: { beforeKib, afterKib: stage.memoryKib(), boundKib } };
  } finally {
    await stage.clear();
  }
}

/**
 * Plays the cases against sockets of any back-end. Nobody says there why a port has ended, so a case passes when the script
 * went as it says and a good front-end is served afterwards. The first case after which none is served is the last one.
 */
export async function runAtSockets(options: RunOptions, sockets: Sockets): Promise<RunResult> {
  const { stop } = options;
  const offer = await offerOf(sockets, stop);
  const hasNeighbour = sockets['neighbour'] !== undefined;
  const results = await playAll(options, offer, async (each) => {
    if (!hasNeighbour && each.script.includes('connect n neighbour'))
      return { failures: [`${classOf(each)} needs --neighbour`] };
    const { failure } = await play([...each.script, calm], sockets, stop);
    const good = await play(goodFrontEnd(false), sockets, stop);
    const over = good.failure !== '';
    const failures = [failure, over ? `serves nobody afterwards: ${good.failure}` : ''];
    return { failures: failures.filter((text) => text !== ''), over };
  });
  return { results };
}
