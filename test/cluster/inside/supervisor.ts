// SPDX-License-Identifier: Apache-2.0
//
// Keeps the daemons of the node running, as an init system would: one that ends is started again after a second. Its log and
// its process id are files, so that a test can read the one and kill by the other.

import { spawn } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../paths.ts';

const againMillis = 1000;

export class Supervisor {
  readonly #paths: Paths;

  constructor(paths: Paths) {
    this.#paths = paths;
    for (const directory of [paths.log, paths.pids]) mkdirSync(directory, { recursive: true });
  }

  /** Starts `command`, whose output goes to the log of that name. */
  start(name: string, command: readonly string[]): void {
    const log = openSync(join(this.#paths.log, `${name}.log`), 'a');
    this.#run(name, command, log);
  }

  #run(name: string, command: readonly string[], log: number): void {
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['ignore', log, log] });
    child.on('error', (error) => writeFileSync(log, `cannot be started: ${String(error)}\n`));
    child.on('exit', () => setTimeout(() => this.#run(name, command, log), againMillis));
    writeFileSync(join(this.#paths.pids, name), String(child.pid));
  }

  /** Never: the node ends from outside. */
  async forever(): Promise<never> {
    return new Promise(() => undefined);
  }
}
