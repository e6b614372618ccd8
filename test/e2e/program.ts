// SPDX-License-Identifier: Apache-2.0
//
// A program of ours as a process: what it says on standard error line by line, and its end. Each test file ends what it
// has started; the programs of one that is killed see the end of their standard input only if they read it.

import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { ourselves } from './person.ts';

export interface Exit {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

interface ProgramOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string;
}

export class Program {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #changed = new EventEmitter();
  readonly #ended: Promise<Exit>;
  #stdout = '';

  constructor(argv: readonly string[], { env = {}, stdin }: ProgramOptions = {}) {
    const [file = '', ...args] = argv;
    this.#child = spawn(file, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin: input, stdout: output, stderr: errors } = this.#child;
    if (input === null || output === null || errors === null) throw new Error('no pipes');
    // A program that refuses early does not read.
    input.on('error', () => undefined);
    // Without a text it stays open: a holder of namespaces ends with it.
    if (stdin !== undefined) input.end(stdin);
    output.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#changed.emit('change');
    });
    createInterface({ input: errors }).on('line', (line) => {
      this.lines.push(line);
      this.#changed.emit('change');
    });
    this.#ended = once(this.#child, 'close').then(([code, signal]) => ({
      status: typeof code === 'number' ? code : String(signal),
      stdout: this.#stdout,
      stderr: this.lines.map((line) => `${line}\n`).join(''),
    }));
    this.#ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Waits until `condition` holds; looks after each piece of output. @throws Error when the program ends before that */
  async until(condition: () => boolean, what: string): Promise<void> {
    const early = this.#ended.then(({ status, stderr }) => {
      throw new Error(`ended with ${status} before ${what}:\n${stderr}`);
    });
    early.catch(() => undefined);
    while (!condition()) await Promise.race([once(this.#changed, 'change'), early]);
  }

  /** Waits for that many lines with this text. */
  async says(text: string, times = 1): Promise<void> {
    await this.until(() => this.count(text) >= times, `it said ${text}`);
  }

  /** Lines of standard error with this text. */
  count(text: string): number {
    return this.lines.filter((line) => line.includes(text)).length;
  }

  ended(): Promise<Exit> {
    return this.#ended;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.#child.kill(signal);
    return this.#ended;
  }
}

/** `usvhost …`, as the user of the tests. */
export function usvhost(args: readonly string[], options: ProgramOptions = {}): Program {
  return new Program(ourselves.usvhost(args), options);
}
