// SPDX-License-Identifier: Apache-2.0
//
// The thread in which a handler lives: loads the module, attaches to the frames of the dataplane that the main thread has
// made, and goes on until it is told to close. What it throws outside of onBurst() ends the process, by the main thread.

import { parentPort, workerData } from 'node:worker_threads';
import { usvFailure } from '../lib/errors.ts';
import { createLogger } from '../lib/log.ts';
import { NativeFrameConsumer } from '../native/index.ts';
import { BurstLoop } from './bursts.ts';
import { HandlerErrors } from './handler-errors.ts';
import type { FromHandler, HandlerMetrics, HandlerWorkerData, ToHandler } from './handler-messages.ts';
import { loadHandler } from './handler-module.ts';
import type { HandlerLog, PacketHandler } from './packet-api.ts';
import { packetHelpers } from './packet-helpers.ts';

const port = parentPort;
if (port === null) throw usvFailure('USV_INTERNAL', 'the handler worker was started as a program');

function tell(message: FromHandler): void {
  port?.postMessage(message);
}

const { file, ports, metricsMillis } = workerData as HandlerWorkerData;
const logger = createLogger('handler');
const log: HandlerLog = {
  info: (text) => logger.info(text),
  warn: (text) => logger.warn(text),
  error: (text) => logger.error(text),
};

/** Only what is a number: the rest cannot be reported. */
function metricsOf(handler: PacketHandler): HandlerMetrics {
  const values = Object.entries(handler.metrics?.() ?? {});
  return Object.fromEntries(values.filter(([, value]) => typeof value === 'number'));
}

function attach(exchange: number, handler: PacketHandler): NativeFrameConsumer {
  const errors = new HandlerErrors(log);
  const consumer = new NativeFrameConsumer(exchange, () => turn());
  const loop = new BurstLoop(consumer, {
    ports: ports.length,
    handler,
    onError: (error) => errors.tell(error),
  });
  function turn(): void {
    // Timers and sockets of the handler have their turn too.
    if (loop.turn()) setImmediate(turn);
  }
  turn();
  return consumer;
}

async function serve(handler: PacketHandler): Promise<void> {
  let consumer: NativeFrameConsumer | undefined;
  const metrics =
    metricsMillis > 0
      ? setInterval(() => tell({ kind: 'metrics', metrics: metricsOf(handler) }), metricsMillis)
      : undefined;
  const closing = Promise.withResolvers<void>();
  port?.on('message', (message: ToHandler) => {
    if (message.kind === 'attach') consumer = attach(message.exchange, handler);
    else closing.resolve();
  });
  tell({ kind: 'ready' });
  await closing.promise;
  clearInterval(metrics);
  consumer?.close();
  await handler.close?.();
  tell({ kind: 'closed', metrics: metricsOf(handler) });
}

let handler: PacketHandler | undefined;
try {
  handler = await loadHandler(file, { ports, log, helpers: packetHelpers });
} catch (error) {
  tell({ kind: 'failed', details: error instanceof Error ? error.message : String(error) });
}
if (handler !== undefined) await serve(handler);
