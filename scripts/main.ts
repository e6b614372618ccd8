// SPDX-License-Identifier: Apache-2.0
//
// What every script shares: its help, running a program, and turning a thrown error into one line and an exit status.

import { type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { usvError, usvFailure } from '../lib/errors.ts';
import { reportOf } from '../lib/report.ts';

/** The top folder of the project. */
export const projectRoot = dirname(import.meta.dirname);

/** What `util.parseArgs` refuses is a mistake of who typed it. */
function asUsage(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('ERR_PARSE_ARGS')) return error;
  const [got = ''] = (error instanceof Error ? error.message : '').split('. ');
  return usvError('USV_USAGE', { what: 'the arguments', expected: 'those of --help', got, cause: error });
}

/** Runs a script's body; its number is the exit status. `help` is printed instead where an argument asks for it. */
export async function main(body: () => Promise<number>, help?: string): Promise<void> {
  if (help !== undefined && process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(help);
    return;
  }
  try {
    process.exitCode = await body();
  } catch (error) {
    const { text, exitCode } = reportOf(asUsage(error));
    process.stderr.write(text);
    process.exitCode = exitCode;
  }
}

export interface RunResult {
  /** Exit status, or 128 for an end by a signal. */
  readonly code: number;
  /** Lines of standard output and standard error in order of arrival; empty when inherited. */
  readonly output: string;
}

export interface RunOptions {
  /** Called with each line of output, without its end, as it comes. */
  readonly onLine?: (line: string) => void;
  /** Let the program write to our own standard output and error. Default: collect. */
  readonly inherit?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program in the project's top folder. @throws UsvhostError USV_IO when it cannot be started. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const spawnOptions: SpawnOptions = {
    cwd: projectRoot,
    env: { ...process.env, ...options.env },
    stdio: options.inherit === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  };
  const child = spawn(command, args, spawnOptions);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      output += `${line}\n`;
      options.onLine?.(line);
    });
  }
  try {
    await once(child, 'close');
  } catch (cause) {
    throw usvFailure('USV_IO', `cannot run ${command}: ${String(cause)}`, { cause });
  }
  return { code: child.exitCode ?? 128, output };
}
