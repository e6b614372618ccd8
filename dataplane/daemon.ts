// SPDX-License-Identifier: Apache-2.0
//
// The dataplane of a pod: configuration → native ports and engine → log of link changes and reports as JSON lines, until
// it is told to stop or its work is done.

import { resolve } from 'node:path';
import type { DataplaneConfig } from '../lib/config/dataplane.ts';
import type { Logger } from '../lib/log.ts';
import {
  type DataplaneOptions,
  type DataplaneReport,
  type LinkEvent,
  NativeDataplane,
} from '../native/index.ts';
import { HandlerHost } from './handler-host.ts';
import { handlerPorts, nativeOptions } from './options.ts';
import { ReadySocket } from './ready-socket.ts';
import { runTraffic } from './traffic-run.ts';

export interface DataplaneDeps {
  readonly log: Logger;
  /** Takes one report; the command prints it as a line of JSON. */
  readonly onReport: (report: DataplaneOutput) => void;
  /** Gives back the memory that only starting needed. Called once, after the links are up and that was said. */
  readonly settle?: () => void;
}

export interface DataplaneOutput extends DataplaneReport {
  readonly final: boolean;
  /** Of a timed txonly run: how long it sent. */
  readonly seconds?: number;
  /** Of engine handler: the handler's own numbers. */
  readonly handler?: Readonly<Record<string, number>>;
}

/** Resolves after `millis` (0: never), or when `stop` is aborted. */
function waitFor(millis: number, stop: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (stop.aborted) return done();
    // Without an end a timer still keeps the process alive.
    const timer = millis > 0 ? setTimeout(finish, millis) : setInterval(() => {}, 2 ** 30);
    function finish(): void {
      clearTimeout(timer);
      stop.removeEventListener('abort', finish);
      done();
    }
    stop.addEventListener('abort', finish, { once: true });
  });
}

function startHandler(config: DataplaneConfig, log: Logger): HandlerHost | undefined {
  if (config.engine !== 'handler' || config.handler === undefined) return undefined;
  return new HandlerHost({
    file: resolve(config.handler),
    ports: handlerPorts(config),
    metricsMillis: config.reportMillis,
    answerMillis: config.handlerMillis,
    log,
  });
}

interface Work {
  readonly config: DataplaneConfig;
  readonly options: DataplaneOptions;
  /** Of engine handler, ready. */
  readonly handler: HandlerHost | undefined;
  /** Told whether all links are up. */
  readonly ready: ReadySocket | undefined;
}

/** Until `stop` is aborted or the handler lost. */
async function runHandler(
  handler: HandlerHost,
  dataplane: NativeDataplane,
  stop: AbortSignal,
): Promise<void> {
  handler.attach(dataplane.exchange(), () => {
    const { in_hand: waiting = 0, given = 0 } = dataplane.report().engine;
    return { waiting, given };
  });
  await waitFor(0, AbortSignal.any([stop, handler.lost]));
  // Before the last report, which has its last numbers.
  await handler.close();
}

async function runPorts(
  work: Work,
  deps: DataplaneDeps,
  stop: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const { config, options, handler, ready } = work;
  const { log, onReport, settle = () => {} } = deps;
  const linksUp = new AbortController();
  // Not before whoever waits for the links has been told.
  linksUp.signal.addEventListener('abort', () => setImmediate(settle), { once: true });
  const down = new Set(options.ports.map(({ name }) => name));
  const onEvent = ({ port, up, reason, features, queuePairs, mtu, mac }: LinkEvent): void => {
    if (up) {
      const told = { queuePairs, mtu, ...(mac === '' ? {} : { mac }) };
      log.info({ port, features: `0x${features.toString(16)}`, ...told }, 'link is up');
      down.delete(port);
      if (down.size === 0) linksUp.abort();
    } else {
      log.warn({ port, reason }, 'link is down, trying again');
      down.add(port);
    }
    ready?.set(down.size === 0);
  };
  const dataplane = new NativeDataplane(options, onEvent);
  const report = (): Omit<DataplaneOutput, 'final'> => ({
    ...dataplane.report(),
    ...(handler === undefined ? {} : { handler: handler.metrics }),
  });
  const reports =
    config.reportMillis > 0
      ? setInterval(() => onReport({ final: false, ...report() }), config.reportMillis)
      : undefined;
  try {
    log.info({ engine: config.engine, ports: options.ports }, 'dataplane runs');
    let seconds: number | undefined;
    if (handler !== undefined) {
      await runHandler(handler, dataplane, stop);
    } else if (config.engine === 'txonly') {
      await waitFor(0, AbortSignal.any([linksUp.signal, stop]));
      const clock = { now: () => performance.now(), wait: (millis: number) => waitFor(millis, stop) };
      ({ seconds } = await runTraffic(dataplane, config.seconds, clock));
    } else if (config.engine === 'ping') {
      while (dataplane.report().engine['done'] !== 1 && !stop.aborted) await waitFor(10, stop);
    } else {
      await waitFor(0, stop);
    }
    const last = report();
    onReport({ final: true, ...last, ...(seconds === undefined ? {} : { seconds }) });
    handler?.lost.throwIfAborted();
    return last.engine;
  } finally {
    clearInterval(reports);
    dataplane.close();
    log.info('dataplane has stopped');
  }
}

/**
 * Runs a dataplane until `stop` is aborted, until a timed txonly or a ping has ended, or until its handler is lost.
 * Returns the engine's last counters.
 * @throws UsvhostError USV_HANDLER, USV_HANDLER_LOST, USV_DEVARG, USV_CONFIG, USV_SOCKET_PATH, USV_NAME, USV_MEMORY, USV_TAP, USV_IO,
 * USV_NATIVE_BUILD
 */
export async function runDataplane(
  config: DataplaneConfig,
  deps: DataplaneDeps,
  stop: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const options = nativeOptions(config);
  const { readySocket } = config;
  const ready = readySocket === undefined ? undefined : await ReadySocket.listen(readySocket);
  let handler: HandlerHost | undefined;
  try {
    handler = startHandler(config, deps.log);
    // Nothing is connected before there is something to decide on frames.
    await handler?.ready(stop);
    handler?.lost.throwIfAborted();
    if (handler !== undefined && stop.aborted) return {};
    return await runPorts({ config, options, handler, ready }, deps, stop);
  } finally {
    ready?.close();
    await handler?.close();
  }
}
