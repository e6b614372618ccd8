// SPDX-License-Identifier: Apache-2.0
//
// Runs test suites one after the other, those that mostly wait beside another, and adds them up: `test.ts [SUITE…] [--asan] [--tsan] [arguments of jest…]`.
// The last line of its output is `N passed, N failed`, with `, N skipped` when there is any; above it stands what was
// skipped and why. It fails when a test failed, when a suite broke off, and when there was nothing to test.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { reportOf } from '../lib/report.ts';
import { buildNative } from './build-native.ts';
import { buildHelm } from './helm.ts';
import { main, projectRoot } from './main.ts';
import { requireAll } from './packages.ts';
import { runInCluster } from './suites/cluster.ts';
import { runDoctest } from './suites/doctest.ts';
import { fuzzTargets, runFuzz } from './suites/fuzz.ts';
import { runJest } from './suites/jest.ts';
import { addUp, type Outcome, requireEverything, summaryOf } from './suites/outcome.ts';

/** The jest suites are the folders of test/ of the same name. */
const jestSuites = ['unit', 'contract', 'interop', 'e2e', 'node', 'cluster'] as const;
const allSuites = [
  'unit',
  'native',
  'asan',
  'tsan',
  'contract',
  'interop',
  'e2e',
  'node',
  'fuzz',
  'cluster',
] as const;
type Suite = (typeof allSuites)[number];

/** With every peer required, native code also runs under the sanitizers and on random input. */
const onlyThorough: readonly Suite[] = ['asan', 'tsan', 'fuzz'];
/** What it runs against takes a quarter of an hour to build: a usual run only says that it is there. */
const longToBuild: readonly Suite[] = ['cluster'];
/** Files of a suite that take minutes: a usual run only says that they are there. */
const longFiles: Readonly<Partial<Record<Suite, string>>> = { interop: 'bench.test' };
/** Files that share nothing, so that any number of them may run at a time; the others start namespaces and busy loops. */
const apart: readonly Suite[] = ['unit', 'contract'];
/** Each leaves CPUs idle that the other uses; random input takes only what nobody else wants. */
const partners: readonly (readonly Suite[])[] = [
  ['e2e', 'node'],
  ['fuzz', 'cluster'],
];
/** For each target. */
const fuzzSeconds = 60;

function isSuite(name: string): name is Suite {
  return allSuites.some((suite) => suite === name);
}

/** A folder of tests that a checkout does not have is no suite of it. */
function usualSuites(): Suite[] {
  const absent: readonly Suite[] = jestSuites.filter(
    (suite) => !existsSync(join(projectRoot, 'test', suite)),
  );
  const left: readonly Suite[] = [...absent, ...(requireAll() ? [] : onlyThorough)];
  return allSuites.filter((suite) => !left.includes(suite));
}

interface Request {
  readonly suites: readonly Suite[];
  /** Passed on to jest or doctest. */
  readonly rest: readonly string[];
  /** The suites are those of a run without names. */
  readonly usual: boolean;
}

/** Leading words are suites; the first that is none starts what is passed on. */
export function parseRequest(args: readonly string[], usual: () => Suite[] = usualSuites): Request {
  const sanitizers = (['asan', 'tsan'] as const).filter((name) => args.includes(`--${name}`));
  const words = args.filter((word) => word !== '--asan' && word !== '--tsan');
  const end = words.findIndex((word) => !isSuite(word));
  const named = words.slice(0, end === -1 ? words.length : end).filter(isSuite);
  const rest = words.slice(named.length);
  const plain = sanitizers.length > 0 ? named.filter((suite) => suite !== 'native') : named;
  const suites = [...plain, ...sanitizers];
  return suites.length > 0 ? { suites, rest, usual: false } : { suites: usual(), rest, usual: true };
}

function waits(suite: Suite): boolean {
  return !requireAll() && longToBuild.includes(suite);
}

function notNow(suite: Suite, file?: string): Outcome {
  const command = `npm run test:${suite}${file === undefined ? '' : ` -- ${file}`}`;
  return { passed: 0, failed: 0, skipped: { [`takes long, ${command}`]: 1 } };
}

async function runUsual(suite: Suite, rest: readonly string[]): Promise<Outcome> {
  if (waits(suite)) return notNow(suite);
  const file = requireAll() ? undefined : longFiles[suite];
  if (file === undefined) return runSuite(suite, rest);
  return addUp([await runSuite(suite, [...rest, `--testPathIgnorePatterns=${file}`]), notNow(suite, file)]);
}

async function runSuite(suite: Suite, rest: readonly string[]): Promise<Outcome> {
  switch (suite) {
    case 'native':
    case 'asan':
    case 'tsan':
      return runDoctest(suite, rest);
    case 'fuzz':
      return runFuzz(fuzzTargets(), { seconds: fuzzSeconds }, 'background');
    case 'cluster':
      return runInCluster(rest);
    default:
      return runJest(suite, { arguments: rest, oneAtATime: !apart.includes(suite) });
  }
}

/** With its headline, its time, and one failure for what breaks off. */
async function runNamed(suite: Suite, { rest, usual }: Request): Promise<Outcome> {
  process.stdout.write(`\n== ${suite}\n`);
  const begin = performance.now();
  try {
    return await (usual ? runUsual : runSuite)(suite, rest);
  } catch (error) {
    process.stdout.write(reportOf(error).text);
    return { passed: 0, failed: 1, skipped: {} };
  } finally {
    process.stdout.write(`== ${suite}: ${((performance.now() - begin) / 1000).toFixed(1)} s\n`);
  }
}

/** Suites in their order; partners run at the same time, in the place of the last of them. */
export function groupsOf(suites: readonly Suite[]): Suite[][] {
  const groups: Suite[][] = [];
  for (const suite of suites) {
    const others = partners.find(
      (pair) => pair.includes(suite) && pair.every((each) => suites.includes(each)),
    );
    if (others === undefined) groups.push([suite]);
    else if (others.at(-1) === suite) groups.push([...others]);
  }
  return groups;
}

const help = `Usage: npm test -- [SUITE…] [--asan] [--tsan] [arguments of jest or doctest]

Suites: ${allSuites.join(', ')}. Without any: all that do not take long; with USVHOST_REQUIRE=all every one,
and what would be skipped for want of a program fails.

Examples:
  npm run test:unit -- cni/config
  npm run test:native -- --asan '--test-case=*mergeable*'
  npm run test:interop -- guest.test -t 'QEMU as server'

The last line is "N passed, N failed"; the status is 1 when something failed or nothing ran.
`;

if (import.meta.main) {
  await main(async () => {
    const request = parseRequest(process.argv.slice(2));
    const { suites } = request;
    // A machine that cannot build gets that one line, not a run full of failures that follow from it.
    if (suites.some((suite) => suite !== 'unit')) await buildNative();
    // Compiled for minutes on a new machine, beside suites that leave a CPU idle. Who needs it says why there is none.
    const helm = request.usual ? buildHelm('background').catch(() => undefined) : undefined;
    const outcomes: Outcome[] = [];
    for (const group of groupsOf(suites)) {
      // Its tests render the chart.
      if (group.includes('contract')) await helm;
      // A compiler is no gentle neighbour.
      if (group.length > 1 && group.includes('fuzz')) await buildNative('fuzz');
      outcomes.push(...(await Promise.all(group.map(async (suite) => runNamed(suite, request)))));
    }
    const sum = addUp(outcomes);
    const total = requireAll() ? requireEverything(sum) : sum;
    process.stdout.write(`\n${summaryOf(total)}\n`);
    const ran = total.passed + Object.keys(total.skipped).length > 0;
    return total.failed > 0 || !ran ? 1 : 0;
  }, help);
}
