// SPDX-License-Identifier: Apache-2.0
//
// The dataplane of a pod: configuration → native ports and engine → log of link changes and reports as JSON lines, until
// it is told to stop or its work is done.

import type { DataplaneConfig } from '../lib/config/dataplane.ts';
import type { Logger } from '../lib/log.ts';
import { type DataplaneReport, type LinkEvent, NativeDataplane } from '../native/index.ts';
import { nativeOptions } from './options.ts';
import { runTraffic } from './traffic-run.ts';

export interface DataplaneDeps {
  readonly log: Logger;
  /** Takes one report; the command prints it as a line of JSON. */
  readonly onReport: (report: DataplaneOutput) => void;
}

export interface DataplaneOutput extends DataplaneReport {
  readonly final: boolean;
  /** Of a timed txonly run: how long it sent. */
  readonly seconds?: number;
}

/** Resolves after `millis` (0: never), or when `stop` is aborted. */
function waitFor(millis: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    // Without an end a timer still keeps the process alive.
    const timer = millis > 0 ? setTimeout(finish, millis) : setInterval(() => {}, 2 ** 30);
    function finish(): void {
      clearTimeout(timer);
      stop.removeEventListener('abort', finish);
      resolve();
    }
    stop.addEventListener('abort', finish, { once: true });
  });
}

/**
 * Runs a dataplane until `stop` is aborted, or until a timed txonly or a ping has ended. Returns the engine's last counters.
 * @throws UsvhostError USV_DEVARG, USV_CONFIG, USV_SOCKET_PATH, USV_NAME, USV_MEMORY, USV_TAP, USV_IO, USV_NATIVE_BUILD
 */
export async function runDataplane(
  config: DataplaneConfig,
  deps: DataplaneDeps,
  stop: AbortSignal,
): Promise<Readonly<Record<string, number>>> {
  const { log, onReport } = deps;
  const options = nativeOptions(config);
  const linksUp = new AbortController();
  const down = new Set(options.ports.map(({ name }) => name));
  const onEvent = ({ port, up, reason, features }: LinkEvent): void => {
    if (up) {
      log.info({ port, features: `0x${features.toString(16)}` }, 'link is up');
      down.delete(port);
      if (down.size === 0) linksUp.abort();
    } else {
      log.warn({ port, reason }, 'link is down, trying again');
    }
  };
  const dataplane = new NativeDataplane(options, onEvent);
  const reports =
    config.reportMillis > 0
      ? setInterval(() => onReport({ final: false, ...dataplane.report() }), config.reportMillis)
      : undefined;
  try {
    log.info({ engine: config.engine, ports: options.ports }, 'dataplane runs');
    let seconds: number | undefined;
    if (config.engine === 'txonly') {
      await waitFor(0, AbortSignal.any([linksUp.signal, stop]));
      const clock = { now: () => performance.now(), wait: (millis: number) => waitFor(millis, stop) };
      ({ seconds } = await runTraffic(dataplane, config.seconds, clock));
    } else if (config.engine === 'ping') {
      while (dataplane.report().engine['done'] !== 1 && !stop.aborted) await waitFor(10, stop);
    } else {
      await waitFor(0, stop);
    }
    const report = dataplane.report();
    onReport({ final: true, ...report, ...(seconds === undefined ? {} : { seconds }) });
    return report.engine;
  } finally {
    clearInterval(reports);
    dataplane.close();
    log.info('dataplane has stopped');
  }
}
