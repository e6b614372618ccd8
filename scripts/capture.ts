// SPDX-License-Identifier: Apache-2.0
//
// A program's two outputs apart, and its status, whatever it is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface Captured {
  /** 128 for one that a signal has ended. */
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

export async function capture(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Captured> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode ?? 128, output, errors };
}
