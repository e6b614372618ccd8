// SPDX-License-Identifier: Apache-2.0
//
// Child processes of the demo: started in a session of their own (so that Ctrl-C reaches the demo alone, which then ends
// them in order), their last words kept for the case of a failure.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { usvFailure } from '../../lib/errors.ts';

/** Lines of standard error that are kept. */
const keptLines = 20;

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string;
  /** Takes each line of standard output. */
  readonly onLine?: (line: string) => void;
  /** Takes each line of standard error. */
  readonly onErrorLine?: (line: string) => void;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #errors: string[] = [];
  readonly #closed: Promise<unknown>;

  constructor(name: string, argv: readonly string[], options: ChildOptions = {}) {
    this.name = name;
    const [file = '', ...args] = argv;
    this.#process = spawn(file, args, {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const { stdin, stdout, stderr } = this.#process;
    if (stdin === null || stdout === null || stderr === null) throw usvFailure('USV_INTERNAL', 'no pipes');
    // A child that ends without reading is judged by its exit status.
    stdin.on('error', () => undefined);
    stdin.end(options.stdin ?? '');
    createInterface({ input: stdout }).on('line', (line) => {
      this.#lines.push(line);
      options.onLine?.(line);
    });
    createInterface({ input: stderr }).on('line', (line) => {
      this.#errors.push(line);
      options.onErrorLine?.(line);
      if (this.#errors.length > keptLines) this.#errors.shift();
    });
    this.#closed = once(this.#process, 'close').catch((cause: unknown) => {
      this.#errors.push(String(cause));
    });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw this.#failed('could not be started');
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Waits for the end, whatever it is. */
  async finished(): Promise<Finished> {
    await this.#closed;
    return { code: this.#process.exitCode, stdout: this.#lines.join('\n'), stderr: this.#errors.join('\n') };
  }

  /** Waits for the end and returns standard output. @throws UsvhostError USV_IO when the exit status is not 0. */
  async succeeded(): Promise<string> {
    const { code, stdout } = await this.finished();
    if (code !== 0) throw this.#failed(`ended with status ${code ?? this.#process.signalCode}`);
    return stdout;
  }

  /** @throws UsvhostError USV_IO when it ends before the promise is settled. */
  async whileRunning<Value>(promise: Promise<Value>): Promise<Value> {
    const end = this.#closed.then((): never => {
      throw this.#failed('ended too early');
    });
    return Promise.race([promise, end]);
  }

  /** Asks it to end and waits for that; kills it after five seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    if (this.running) this.#process.kill(signal);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    const result = await this.finished();
    clearTimeout(timer);
    return result;
  }

  #failed(what: string) {
    return usvFailure('USV_IO', `${this.name} ${what}:\n${[...this.#errors, ...this.#lines].join('\n')}`);
  }
}

/** Runs a command to its end and returns its standard output. @throws UsvhostError USV_IO */
export async function run(argv: readonly string[], options: ChildOptions = {}): Promise<string> {
  return new Child(argv.join(' '), argv, options).succeeded();
}
