// SPDX-License-Identifier: Apache-2.0
//
// Runs the jest tests of one folder of test/ in a process of their own. A test file that does not load is one failure.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { projectRoot, run } from '../main.ts';
import { type Outcome, withoutReason } from './outcome.ts';

/** The part of jest's --json document that counts. */
const report = z.object({
  testResults: z.array(
    z.object({
      status: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

const reasonInName = /\[skipped: (needs .*?)\]/;

/** Counts of a document of jest. @throws ZodError when it is not one. */
export function countReport(document: unknown): Outcome {
  let passed = 0;
  let failed = 0;
  const skipped: Record<string, number> = {};
  for (const file of report.parse(document).testResults) {
    // Syntax errors, failed imports: the file failed and none of its tests ran.
    if (file.status === 'failed' && file.assertionResults.length === 0) failed += 1;
    for (const { fullName, status } of file.assertionResults) {
      if (status === 'passed') passed += 1;
      else if (status === 'failed') failed += 1;
      else {
        const reason = reasonInName.exec(fullName)?.[1] ?? withoutReason;
        skipped[reason] = (skipped[reason] ?? 0) + 1;
      }
    }
  }
  return { passed, failed, skipped };
}

interface JestOptions {
  readonly arguments: readonly string[];
  /** One test file at a time, for those that start daemons and namespaces; else one for each CPU. */
  readonly oneAtATime: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Name of the report in build/test. Default: the suite's. */
  readonly report?: string;
}

/** Runs `test/<suite>`. */
export async function runJest(suite: string, options: JestOptions): Promise<Outcome> {
  const outputFile = join(projectRoot, 'build/test', `${options.report ?? suite}.json`);
  mkdirSync(dirname(outputFile), { recursive: true });
  rmSync(outputFile, { force: true });
  const { code } = await run(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      join(projectRoot, 'node_modules/jest/bin/jest.js'),
      `--roots=${join(projectRoot, 'test', suite)}`,
      '--json',
      `--outputFile=${outputFile}`,
      options.oneAtATime ? '--runInBand' : '--maxWorkers=100%',
      ...options.arguments,
    ],
    { inherit: true, ...(options.env === undefined ? {} : { env: options.env }) },
  );
  try {
    const outcome = countReport(JSON.parse(readFileSync(outputFile, 'utf8')));
    return code !== 0 && outcome.failed === 0 ? { ...outcome, failed: 1 } : outcome;
  } catch (error) {
    process.stdout.write(`jest ended with status ${code} and no report: ${String(error)}\n`);
    return { passed: 0, failed: 1, skipped: {} };
  }
}
