// SPDX-License-Identifier: Apache-2.0
//
// A dataplane with a handler as a process, beside a switch and drivers in the test's own.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataplaneOutput } from '../../../dataplane/daemon.ts';
import type { EngineOptions } from '../../../native/index.ts';
import { type Exit, type Program, usvhost } from '../../e2e/program.ts';
import { RunningDriver, RunningSwitch } from '../../support/running.ts';

export interface FunctionOptions {
  /** Names of ports, one or two. */
  readonly ports: readonly string[];
  /** Of the module. */
  readonly source: string;
  readonly args?: readonly string[];
}

export class HandlerBench {
  readonly #directory: string;
  readonly #undo: (() => void)[] = [];
  readonly switch: RunningSwitch;
  /** Has the ports whose name begins with `far`. */
  readonly #far: RunningSwitch;

  constructor(directory: string) {
    this.#directory = directory;
    this.switch = new RunningSwitch({ directory });
    this.#undo.push(() => this.switch.close());
    const far = join(directory, 'far');
    mkdirSync(far);
    this.#far = new RunningSwitch({ directory: far });
    this.#undo.push(() => this.#far.close());
  }

  #addPort(name: string): string {
    return (name.startsWith('far') ? this.#far : this.switch).addPort(name);
  }

  /** A driver of the test on a port of the switch, its link up. */
  async driver(port: string, engine: EngineOptions): Promise<RunningDriver> {
    const driver = new RunningDriver({ path: this.#addPort(port), queueSize: 256, engine });
    this.#undo.push(() => driver.close());
    await driver.linkUp();
    return driver;
  }

  /** The function's process, not yet connected. */
  start({ ports, source, args = [] }: FunctionOptions): Program {
    const file = join(this.#directory, 'handler.ts');
    writeFileSync(file, source);
    const devargs = ports.flatMap((port, n) => ['--port', `net_virtio_user${n},path=${this.#addPort(port)}`]);
    const program = usvhost(['dataplane', '--engine', 'handler', '--handler', file, ...devargs, ...args], {
      env: { USVHOST_LOG: 'info' },
    });
    // One that was killed by its test before is gone already.
    this.#undo.push(() => {
      if (program.running) process.kill(program.pid, 'SIGKILL');
    });
    return program;
  }

  /** The function's process with all links up. */
  async run(options: FunctionOptions): Promise<Program> {
    const program = this.start(options);
    await program.says('link is up', options.ports.length);
    return program;
  }

  close(): void {
    for (const step of this.#undo.splice(0).toReversed()) step();
  }
}

/** Lines of standard output. */
export function reportsOf({ stdout }: Exit): DataplaneOutput[] {
  return stdout
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as DataplaneOutput);
}
