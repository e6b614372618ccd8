// SPDX-License-Identifier: Apache-2.0
//
// What was seen while a case was played, and the verdict over it. No I/O: the verdict is a function of what was seen.

import type { Expectation } from './case.ts';

/** How the switch says that a front-end left of its own accord. */
const ownAccord = 'the front-end disconnected';
/** How it says that a second connection was refused; the first one goes on. */
const refusedSecond = 'USV_PORT_BUSY';

/** A line of the switch's log about the state of a port. */
export interface PortLine {
  readonly port: string;
  readonly state: string;
  /** Empty, or why. */
  readonly reason: string;
}

/** What the switch holds. */
export interface Holdings {
  readonly descriptors: number;
  /** Mappings of files that pods share. */
  readonly mappings: number;
  readonly threads: number;
}

export interface CanaryState {
  readonly sent: number;
  readonly received: number;
  /** Frames of either canary that the switch has dropped. */
  readonly drops: number;
  readonly connections: number;
}

/** What the switch has told of a case. */
export interface Told {
  readonly lines: readonly PortLine[];
  /** Of the attacker's port: the last thing that ended or refused a connection, empty when nothing did. */
  readonly lastError: string;
}

export interface Observation extends Told {
  /** What did not go as the script says; empty when all did. */
  readonly failedStep: string;
  /** The same of the good front-end afterwards. */
  readonly failedAfterwards: string;
  readonly switchRuns: boolean;
  readonly before: Holdings;
  readonly after: Holdings;
  readonly canaryBefore: CanaryState;
  readonly canaryAfter: CanaryState;
}

export const attackerPort = 'attacker';
export const neighbourPort = 'neighbour';
export const canaryPorts = ['canary-a', 'canary-b'] as const;

/**
 * Why connections of the attacker's port have ended. The log leaves lines out when there are very many; the last error is
 * never left out.
 */
function endsOf({ lines, lastError }: Told): string[] {
  const told = lines
    .filter(({ port, state }) => port === attackerPort && state === 'listening')
    .map(({ reason }) => reason);
  return [...told, lastError].filter((reason) => reason !== '' && !reason.startsWith(refusedSecond));
}

function judgeEnds(expect: Expectation, reasons: readonly string[]): string[] {
  const forced = reasons.filter((reason) => reason !== ownAccord);
  const codes = expect.kind === 'ends' ? [expect.code] : expect.kind === 'either' ? expect.codes : [];
  const wrong = forced.find((reason) => !codes.some((code) => reason.startsWith(`${code}:`)));
  if (wrong !== undefined) {
    const wanted = expect.kind === 'stays' ? 'a port that goes on' : `an end with ${codes.join(' or ')} only`;
    return [`expected ${wanted}, got ${wrong}`];
  }
  if (expect.kind !== 'ends') return [];
  if (forced.length === 0) return [`expected an end with ${expect.code}, got none`];
  const { saying = '' } = expect;
  const other = forced.find((reason) => !reason.includes(saying));
  return other === undefined ? [] : [`expected a reason that says "${saying}", got ${other}`];
}

/** Ports that are not the attacker's: nothing happens to a canary, and the neighbour comes and goes by itself. */
function judgeOthers(lines: readonly PortLine[]): string[] {
  return lines
    .filter(({ port, state, reason }) => {
      if (port === attackerPort) return false;
      if (port !== neighbourPort) return true;
      return state === 'listening' ? reason !== ownAccord : reason !== '';
    })
    .map(({ port, state, reason }) => `expected nothing of port ${port}, got ${state} ${reason}`);
}

function judgeCanary(before: CanaryState, after: CanaryState): string[] {
  const found: string[] = [];
  const lost = after.sent - after.received - (before.sent - before.received);
  if (lost > 0) found.push(`expected no lost frame of the canary, got ${lost}`);
  if (after.received <= before.received) found.push('expected a canary that sings, got silence');
  if (after.drops !== before.drops)
    found.push(`expected no dropped frame, got ${after.drops - before.drops}`);
  if (after.connections !== before.connections) found.push('expected the canary to keep its connections');
  return found;
}

function judgeHoldings(before: Holdings, after: Holdings): string[] {
  return (['descriptors', 'mappings', 'threads'] as const)
    .filter((what) => after[what] !== before[what])
    .map((what) => `expected ${before[what]} ${what} of the switch, got ${after[what]}`);
}

/** What is wrong, one sentence each; empty when the case has passed. */
export function judge(expect: Expectation, seen: Observation): string[] {
  const found = seen.failedStep === '' ? [] : [seen.failedStep];
  if (!seen.switchRuns) return [...found, 'expected a switch that lives, got its end'];
  const { lines } = seen;
  found.push(...judgeEnds(expect, endsOf(seen)));
  found.push(...judgeOthers(lines));
  if (seen.failedAfterwards !== '')
    found.push(`expected a port that can be used again, got ${seen.failedAfterwards}`);
  found.push(...judgeCanary(seen.canaryBefore, seen.canaryAfter));
  found.push(...judgeHoldings(seen.before, seen.after));
  return found;
}
