// SPDX-License-Identifier: Apache-2.0
//
// Keeps the daemons of the node running, as an init system would: one that ends is started again after a second, or when it is
// no longer held. Its log and its process id are files, so that a test can read the one and kill by the other.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../paths.ts';

const againMillis = 1000;

export class Supervisor {
  readonly #paths: Paths;
  /** Those that have ended while they are held, and how to go on. */
  readonly #held = new Map<string, () => void>();

  constructor(paths: Paths) {
    this.#paths = paths;
    for (const directory of [paths.log, paths.pids, paths.held]) mkdirSync(directory, { recursive: true });
    watch(paths.held, () => this.#letGo());
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
    child.on('exit', () => {
      this.#held.set(name, () => setTimeout(() => this.#run(name, command, log), againMillis));
      this.#letGo();
    });
    writeFileSync(join(this.#paths.pids, name), String(child.pid));
  }

  #letGo(): void {
    for (const [name, goOn] of this.#held) {
      if (existsSync(join(this.#paths.held, name))) continue;
      this.#held.delete(name);
      goOn();
    }
  }

  /** Never: the node ends from outside. */
  async forever(): Promise<never> {
    return new Promise(() => undefined);
  }
}
