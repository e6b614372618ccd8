// SPDX-License-Identifier: Apache-2.0
//
// The main thread's side of a handler: starts its worker, watches that it answers, and ends it whatever it does. A handler may
// be wrong in any way; the process goes on counting and reporting, and stops when it is told to.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type UsvhostError, usvFailure } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { FromHandler, HandlerMetrics, HandlerWorkerData, ToHandler } from './handler-messages.ts';

export interface HandlerHostOptions extends HandlerWorkerData {
  readonly log: Logger;
  /** How long frames may wait for a decision before the handler is lost; 0: for ever. */
  readonly answerMillis: number;
}

/** Numbers of the engine that show whether the handler answers. */
export interface HandlerProgress {
  /** Bursts that wait. */
  readonly waiting: number;
  /** Decisions so far. */
  readonly given: number;
}

/** The same file as it runs here: stripped in the tree, bundled in the image. */
const workerFile = new URL(`./handler-worker${extname(import.meta.filename)}`, import.meta.url);
/** For the handler's close(). */
const closeMillis = 2000;
/** For the end of a thread that JavaScript holds no more. */
const terminateMillis = 2000;
/** Looks in answerMillis. A look that comes late because nothing ran does not count for more than one. */
const looks = 8;

/** Whether `promise` is done within so many milliseconds. */
async function within(promise: Promise<unknown>, millis: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), millis);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

export class HandlerHost {
  readonly #options: HandlerHostOptions;
  readonly #worker: Worker;
  readonly #lost = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #metrics: HandlerMetrics = {};
  #closing = false;
  #watch: NodeJS.Timeout | undefined;

  /** Starts the thread. close() is its undo. */
  constructor(options: HandlerHostOptions) {
    this.#options = options;
    const { file, ports, metricsMillis } = options;
    const workerData: HandlerWorkerData = { file, ports, metricsMillis };
    // Its standard output would stand between our reports.
    this.#worker = new Worker(workerFile, { workerData, name: 'handler', stdout: true });
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.#worker.on('message', (message: FromHandler) => this.#hear(message));
    this.#worker.on('error', (thrown) => {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      if (this.#closing) options.log.warn({ file, text }, 'the handler threw while it closed');
      this.#lose(
        usvFailure('USV_HANDLER_LOST', `${file} threw outside of onBurst(): ${text}`, { cause: thrown }),
      );
    });
    this.#worker.on('exit', (code) => {
      this.#lose(usvFailure('USV_HANDLER_LOST', `${file} ended its thread with status ${code}`));
      this.#closed.resolve();
    });
  }

  /** Aborted with a UsvhostError USV_HANDLER or USV_HANDLER_LOST when there is no handler any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** The handler's own numbers as of its last word. */
  get metrics(): HandlerMetrics {
    return this.#metrics;
  }

  /** Resolves when setup() is done, or the handler lost, or `stop` aborted. */
  async ready(stop: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([stop, this.lost]);
    if (ended.aborted) return;
    const done = (): void => this.#ready.resolve();
    ended.addEventListener('abort', done, { once: true });
    await this.#ready.promise;
    ended.removeEventListener('abort', done);
  }

  /** Gives it the frames of a dataplane (NativeDataplane.exchange) and begins to watch. */
  attach(exchange: number, progress: () => HandlerProgress): void {
    this.#tell({ kind: 'attach', exchange });
    const { answerMillis, file } = this.#options;
    if (answerMillis === 0) return;
    let [stuck, given] = [0, -1];
    this.#watch = setInterval(
      () => {
        const now = progress();
        stuck = now.waiting > 0 && now.given === given ? stuck + 1 : 0;
        given = now.given;
        if (stuck >= looks)
          this.#lose(usvFailure('USV_HANDLER_LOST', `${file} has not answered for ${answerMillis} ms`));
      },
      Math.ceil(answerMillis / looks),
    );
  }

  /** Asks it to close, waits for it for two seconds, then ends its thread. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    const asked = !this.#closing;
    this.#closing = true;
    const { log, file } = this.#options;
    if (asked && !this.lost.aborted) {
      this.#tell({ kind: 'close' });
      if (!(await within(this.#closed.promise, closeMillis)))
        log.warn({ file }, 'the handler does not close');
    }
    if (await within(this.#worker.terminate(), terminateMillis)) return;
    // JavaScript can be interrupted, a system call that it waits for cannot, and a process waits for all its threads.
    log.fatal({ file }, 'the thread of the handler cannot be ended, so the process is killed');
    process.kill(process.pid, 'SIGKILL');
  }

  #tell(message: ToHandler): void {
    this.#worker.postMessage(message, []);
  }

  #hear(message: FromHandler): void {
    switch (message.kind) {
      case 'ready':
        this.#ready.resolve();
        break;
      case 'failed':
        this.#lose(usvFailure('USV_HANDLER', message.details.replace(/^USV_HANDLER: /, '')));
        break;
      case 'metrics':
        this.#metrics = message.metrics;
        break;
      case 'closed':
        this.#metrics = message.metrics;
        this.#closed.resolve();
        break;
    }
  }

  /** The first reason counts; an end that was asked for is no loss. */
  #lose(error: UsvhostError): void {
    if (!this.#closing && !this.lost.aborted) this.#lost.abort(error);
  }
}
