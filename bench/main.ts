// SPDX-License-Identifier: Apache-2.0
//
// `npm run bench -- [CASE…] [--json] [--list] [--seconds N] [--rounds N] [--where NAME=VALUE] [--plot FILE]`: measures and prints a table, or with --json
// one JSON document as its last line; --plot writes the same as an SVG. Progress goes to standard error.

import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { usvError } from '../lib/errors.ts';
import { main } from '../scripts/main.ts';
import { allowedCpus } from '../test/support/cpus.ts';
import type { BenchCase, CaseGroup, RunContext } from './case.ts';

import { cni } from './cases/cni.ts';
import { driverToVhost } from './cases/driver-to-vhost.ts';
import { forwardLoop } from './cases/forward-loop.ts';
import { handler } from './cases/handler.ts';
import { idle } from './cases/idle.ts';
import { manyPorts } from './cases/many-ports.ts';
import { pods } from './cases/pods.ts';
import { switchLoop } from './cases/switch-loop.ts';
import { tcp } from './cases/tcp.ts';
import type { BenchDocument } from './document.ts';
import { describeMachine, reserveHugepages } from './machine.ts';
import { plotOf } from './plot.ts';
import { benchTable } from './report.ts';
import { runCases } from './runner.ts';
import { selectCases } from './select.ts';

const groups: readonly CaseGroup[] = [
  driverToVhost,
  switchLoop,
  manyPorts,
  forwardLoop,
  handler,
  idle,
  tcp,
  cni,
  pods,
];
const help = `Usage: npm run bench -- [CASE…] [flags]

Measures ours beside its peers in turn and prints a table. Without a case: all but those that need a cluster.

  --list               the cases
  --rounds N           runs of each candidate, default 5
  --seconds N          length of a run, default 3
  --where NAME=VALUE   without the cases whose parameter has another value; VALUE,VALUE for either; may be given again
  --json               one JSON document as the last line of standard output (docs/bench.schema.json)
  --plot FILE          the same as an SVG

Examples:
  npm run bench -- switch-loop --where size=64 --rounds 9
  npm run bench -- --json --plot bench.svg

Status: 0 when all has run, 130 when it was interrupted.
`;
/** A source with 256 MB, beside Open vSwitch, which takes more than the 1024 MB it begins with. */
const hugepageBytes = (256 + 1536) * 2 ** 20;
const interrupted = 130;
/** Above it something else runs on the CPUs that are measured. */
const busyLoad = 0.5;

interface Request {
  readonly cases: readonly BenchCase[];
  readonly json: boolean;
  readonly list: boolean;
  readonly seconds: number;
  readonly rounds: number;
  /** File for the picture. */
  readonly plot: string | undefined;
}

function positive(text: string, flag: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= 3600) return value;
  throw usvError('USV_USAGE', { what: flag, expected: 'a number above 0', got: JSON.stringify(text) });
}

/** @throws UsvhostError USV_USAGE, and what `util.parseArgs` throws */
export function parseRequest(args: readonly string[]): Request {
  const options = {
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    where: { type: 'string', multiple: true, default: [] as string[] },
    plot: { type: 'string' },
  } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  for (const name of positionals) {
    if (groups.some((group) => group.name === name)) continue;
    const expected = `one of ${groups.map((group) => group.name).join(', ')}`;
    throw usvError('USV_USAGE', { what: 'a case', expected, got: JSON.stringify(name) });
  }
  const rounds = positive(values.rounds, '--rounds');
  if (!Number.isInteger(rounds)) {
    throw usvError('USV_USAGE', { what: '--rounds', expected: 'a whole number', got: values.rounds });
  }
  const named = groups.filter(({ name, onRequest = false }) =>
    positionals.length === 0 ? !onRequest : positionals.includes(name),
  );
  return {
    cases: selectCases(
      named.flatMap(({ cases }) => cases),
      values.where,
    ),
    json: values.json,
    list: values.list,
    seconds: positive(values.seconds, '--seconds'),
    rounds,
    plot: values.plot,
  };
}

/** Undefined when it was interrupted. */
async function bench(request: Request): Promise<BenchDocument | undefined> {
  const [firstCpu, secondCpu] = allowedCpus();
  if (firstCpu === undefined || secondCpu === undefined) {
    throw usvError('USV_CONFIG', { what: 'CPUs for a benchmark', expected: 'two', got: 'one' });
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const pages = reserveHugepages(hugepageBytes);
  const { seconds, rounds } = request;
  const context: RunContext = {
    seconds,
    firstCpu,
    secondCpu,
    hugepages: pages.enough,
    stop: stop.signal,
    wait: (length) => sleep(length * 1000, undefined, { signal: stop.signal }),
  };
  const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    const machine = describeMachine({ hugepages: pages.enough });
    if (machine.load > busyLoad)
      onProgress(`the machine is busy (load ${machine.load}): figures mean little`);
    const result = await runCases(request.cases, { rounds, context, onProgress });
    return { machine, date: new Date().toISOString(), seconds, rounds, ...result };
  } catch (error) {
    // Peers are in our process group and have got the signal too: what failed, failed because of it.
    if (!stop.signal.aborted) throw error;
    return undefined;
  } finally {
    pages.restore();
  }
}

if (import.meta.main) {
  await main(async () => {
    const request = parseRequest(process.argv.slice(2));
    if (request.list) {
      process.stdout.write(groups.map(({ name, about }) => `${name.padEnd(18)}${about}\n`).join(''));
      return 0;
    }
    const document = await bench(request);
    if (document === undefined) return interrupted;
    if (request.plot !== undefined) writeFileSync(request.plot, plotOf(document));
    process.stdout.write(request.json ? `${JSON.stringify(document)}\n` : benchTable(document));
    return 0;
  }, help);
}
