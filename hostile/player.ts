// SPDX-License-Identifier: Apache-2.0
//
// Runs the player with a script: a process for each, so that a script that harms its own process harms nobody else.

import { join } from 'node:path';
import { Child, type Finished } from '../cli/demo/process.ts';
import { buildDirectory } from '../scripts/build-native.ts';

/** The sockets that a script may connect to, by name. */
export type Sockets = Readonly<Record<string, string>>;

/** No script takes so long; one that does is ended and has failed. */
const longestMillis = 60_000;

export interface Played {
  /** Empty when every step went as the script says. */
  readonly failure: string;
  /** Lines of its `print` steps. */
  readonly printed: readonly string[];
}

function failureOf({ code, stderr }: Finished, late: boolean): string {
  if (late) return `the script took longer than ${longestMillis} ms`;
  if (code === 0) return '';
  return stderr.trim() === '' ? 'the player was ended by a signal' : stderr.trim();
}

/** Plays a script to its end. `stop` ends it early. */
export async function play(script: readonly string[], sockets: Sockets, stop: AbortSignal): Promise<Played> {
  const program = join(buildDirectory('native'), 'hostile/hostile_player');
  const names = Object.entries(sockets).map(([name, path]) => `${name}=${path}`);
  const child = new Child('hostile_player', [program, ...names], { stdin: `${script.join('\n')}\n` });
  let late = false;
  const end = (): void => void child.stop('SIGKILL');
  const timer = setTimeout(() => {
    late = true;
    end();
  }, longestMillis);
  stop.addEventListener('abort', end, { once: true });
  try {
    const finished = await child.finished();
    return { failure: failureOf(finished, late), printed: finished.stdout.split('\n') };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', end);
  }
}
