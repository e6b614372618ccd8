// SPDX-License-Identifier: Apache-2.0
//
// One run of `usvhost demo` as a user starts it, and what it leaves. All of it can be told from everything else on the
// machine: its temporary directory is its own, and every process it starts inherits the name of that in its environment.

import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { ourselves, type Person } from './person.ts';

interface DemoRunOptions {
  readonly args?: readonly string[];
  /** Default: the user of the tests. */
  readonly person?: Person;
  /** Program and first arguments instead of the person's. */
  readonly command?: readonly string[];
}

export interface Ended {
  /** As a shell shows it: 128 and the signal's number for a death by SIGINT or SIGKILL. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const signalStatus: Readonly<Record<string, number>> = { SIGINT: 130, SIGKILL: 137 };

function namespaceNames(): string[] {
  try {
    return readdirSync('/run/netns');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch (error) {
    // It has ended meanwhile, or is somebody else's.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error))) return '';
    throw error;
  }
}

export class DemoRun {
  /** The demo's temporary directory. */
  readonly directory = mkdtempSync(join(tmpdir(), 'usv-'));
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ended>;
  readonly #namespacesBefore = namespaceNames();
  readonly #output = new EventEmitter();
  #stdout = '';
  #stderr = '';

  constructor({ args = [], person = ourselves, command }: DemoRunOptions = {}) {
    if (person.uid !== ourselves.uid) chownSync(this.directory, person.uid, person.uid);
    const [file = '', ...rest] = command ?? person.usvhost(['demo', ...args]);
    this.#child = spawn(file, rest, {
      cwd: '/',
      env: { ...process.env, TMPDIR: this.directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#output.emit('more');
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#output.emit('more');
    });
    // Its pipes close when the last process that has them ends, the inside of the walls included.
    this.#ended = once(this.#child, 'close').then(([code, signal]) => ({
      status: typeof code === 'number' ? code : (signalStatus[String(signal)] ?? 1),
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
    this.#ended.catch(() => undefined);
  }

  /** Resolves when a line of its output matches. @throws Error when it ends before that */
  async says(pattern: RegExp): Promise<void> {
    const early = this.#ended.then(({ stderr }) => {
      throw new Error(`the demo ended before it said ${pattern}: ${stderr}`);
    });
    early.catch(() => undefined);
    while (!pattern.test(this.#stdout + this.#stderr))
      await Promise.race([once(this.#output, 'more'), early]);
  }

  kill(signal: 'SIGINT' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  /** Waits until it and everything inside its walls has ended. */
  ended(): Promise<Ended> {
    return this.#ended;
  }

  /** What is left of it: processes, mounts, named network namespaces, files. */
  traces(): string[] {
    const marker = `TMPDIR=${this.directory}\0`;
    const processes = readdirSync('/proc').filter(
      (pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(marker),
    );
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    return [
      ...processes.map((pid) => `process ${pid}`),
      ...mounts.filter((line) => line.includes(this.directory)),
      ...namespaceNames().filter((name) => !this.#namespacesBefore.includes(name)),
      ...readdirSync(this.directory, { recursive: true, encoding: 'utf8' }),
    ];
  }

  /** Whatever a failed test has left. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
