// SPDX-License-Identifier: Apache-2.0
//
// `npm run hostile -- [--filter TEXT] [--json] [--list] [--print ID] [--asan | --socket PATH [--neighbour PATH]]`: plays the cases
// of the table, one line each, a summary last. Status 0 when all have passed, 1 when one has not, 130 when it was interrupted.

import { parseArgs } from 'node:util';
import { stopSignal } from '../cli/stop-signal.ts';
import { usvError } from '../lib/errors.ts';
import { main } from '../scripts/main.ts';
import type { HostileCase } from './case.ts';
import { type CaseResult, type RunResult, runAtSockets, runOnStage } from './run.ts';
import { Sanitizer } from './sanitizer.ts';
import { table } from './table.ts';

const interrupted = 130;
const help = `Usage: npm run hostile -- [flags]

Plays attacks of a malicious front-end at a live switch, beside a pair of ports that must lose nothing.

  --filter TEXT        only cases whose names have this text; may be given again
  --list               names, and what each sends
  --print CASE         the script of one case
  --json               one JSON document on standard output, lines on standard error
  --asan               at a switch under AddressSanitizer and UBSan
  --socket PATH        at somebody else's vhost-user back-end
  --neighbour PATH     another port of that back-end, for what needs a second one

Examples:
  npm run hostile -- --filter chain/
  npm run hostile -- --print chain/receive-two-loop

Status: 0 when nothing failed, 1 when something did, 130 when it was interrupted.
`;

interface Request {
  readonly cases: readonly HostileCase[];
  readonly json: boolean;
  readonly list: boolean;
  readonly print: boolean;
  readonly asan: boolean;
  readonly socket: string | undefined;
  readonly neighbour: string | undefined;
}

const flags = {
  filter: { type: 'string', multiple: true, default: [] as string[] },
  json: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  print: { type: 'string' },
  asan: { type: 'boolean', default: false },
  socket: { type: 'string' },
  neighbour: { type: 'string' },
} as const;

/** @throws UsvhostError USV_USAGE, and what `util.parseArgs` throws */
export function parseRequest(args: readonly string[]): Request {
  const { filter, json, list, print, asan, socket, neighbour } = parseArgs({
    args: [...args],
    options: flags,
  }).values;
  const cases = table.filter(({ id }) =>
    print === undefined ? filter.length === 0 || filter.some((text) => id.includes(text)) : id === print,
  );
  if (cases.length === 0) {
    const got = print ?? filter.join(', ');
    throw usvError('USV_USAGE', { what: 'hostile', expected: 'a case of that name (--list)', got });
  }
  if (neighbour !== undefined && socket === undefined)
    throw usvError('USV_USAGE', { what: '--neighbour', expected: '--socket with it', got: 'none' });
  if (asan && socket !== undefined)
    throw usvError('USV_USAGE', { what: '--asan', expected: 'a switch of our own', got: '--socket' });
  return { cases, json, list, print: print !== undefined, asan, socket, neighbour };
}

function lineOf({ id, outcome, millis, failures }: CaseResult): string {
  const words = { passed: 'ok', failed: 'FAILED', absent: 'not offered' } as const;
  const first = `${words[outcome].padEnd(12)}${id.padEnd(56)}${String(millis).padStart(6)} ms\n`;
  return first + failures.map((text) => `            ${text}\n`).join('');
}

/** Counts, and what is wrong with the whole. */
export function summarize({ results, memory, report = '' }: RunResult) {
  const count = (outcome: CaseResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  const grown = memory === undefined ? 0 : memory.afterKib - memory.beforeKib;
  const bound = memory?.boundKib ?? 0;
  const leak = grown > bound ? [`expected at most ${bound} KiB more of memory, got ${grown}`] : [];
  const found = report === '' ? [] : [`expected a sanitizer with nothing to say, got\n${report}`];
  return {
    passed: count('passed'),
    failed: count('failed') + leak.length + found.length,
    absent: count('absent'),
    grownKib: grown,
    /** What is wrong with the run and no case alone. */
    whole: [...leak, ...found],
  };
}

async function run(request: Request): Promise<number> {
  const stop = stopSignal('SIGHUP');
  const progress = request.json ? process.stderr : process.stdout;
  const options = {
    cases: request.cases,
    stop,
    onResult: (result: CaseResult): void => void progress.write(lineOf(result)),
    sanitizer: request.asan ? await Sanitizer.prepare() : undefined,
  };
  const { socket, neighbour } = request;
  const result =
    socket === undefined
      ? await runOnStage(options)
      : await runAtSockets(options, { attacker: socket, ...(neighbour === undefined ? {} : { neighbour }) });
  const summary = summarize(result);
  for (const text of summary.whole) progress.write(`${text}\n`);
  if (request.json) process.stdout.write(`${JSON.stringify({ ...summary, ...result })}\n`);
  else {
    const absent = summary.absent === 0 ? '' : `, ${summary.absent} not offered`;
    process.stdout.write(`\n${summary.passed} passed, ${summary.failed} failed${absent}\n`);
  }
  if (stop.aborted) return interrupted;
  return summary.failed === 0 ? 0 : 1;
}

if (import.meta.main) {
  await main(async () => {
    const request = parseRequest(process.argv.slice(2));
    if (request.list || request.print) {
      const lines = request.cases.flatMap(({ id, about, script }) =>
        request.print ? [`# ${about}`, ...script] : [`${id.padEnd(56)}${about}`],
      );
      process.stdout.write(lines.map((line) => `${line}\n`).join(''));
      return 0;
    }
    return run(request);
  }, help);
}
