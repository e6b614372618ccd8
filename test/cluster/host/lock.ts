// SPDX-License-Identifier: Apache-2.0
//
// One at a time on a machine: clusters come and go under a lock. It is flock(1)'s, so it ends with whoever holds it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { usvFailure } from '../../../lib/errors.ts';

/** A file for a lock has to stay: whoever waits has it open. */
const lockFile = '/run/lock/usvhost-cluster';

/** Runs `body` when nobody else runs his under the same lock. @throws UsvhostError USV_IO when there is no lock to have */
export async function locked<Value>(body: () => Promise<Value>, file: string = lockFile): Promise<Value> {
  mkdirSync(dirname(file), { recursive: true });
  // It holds the lock as long as we live and have not closed its input.
  const holder = spawn('flock', [file, 'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'close');
  const early = ended.then(() => {
    throw usvFailure('USV_IO', `no lock on ${file}: flock ended with status ${holder.exitCode}`);
  });
  early.catch(() => undefined);
  await Promise.race([once(holder.stdout, 'data'), early]);
  try {
    return await body();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
