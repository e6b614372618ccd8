// SPDX-License-Identifier: Apache-2.0
//
// The admission webhook: certificate → metrics → HTTPS server, and back down in the opposite order. It asks nobody and keeps
// nothing, so that any number of them may run side by side.

import type { AddressInfo } from 'node:net';
import type { WebhookConfig } from '../lib/config/webhook.ts';
import type { Logger } from '../lib/log.ts';
import type { Part } from '../lib/parts.ts';
import { runUntil } from '../lib/run-until.ts';
import { startStatus } from '../lib/status-server.ts';
import { type Pair, watchPair } from './certificate.ts';
import { createWebhookMetrics } from './metrics.ts';
import { review } from './review.ts';
import { WebhookServer } from './server.ts';

export interface WebhookDeps {
  readonly log: Logger;
  /** Default: the clock of the machine. */
  readonly now?: () => Date;
  /** Longest time for a request. Default 10000. */
  readonly requestMillis?: number;
}

export interface WebhookDaemon {
  readonly address: AddressInfo;
  /** Where metrics are served; undefined when they are not, now or at all. */
  readonly status: AddressInfo | undefined;
  /** Lets requests under way end and takes no more. */
  close(): Promise<void>;
}

/** A webhook whose certificate nobody accepts is of no use, and this says so before the API server does. */
function certificatePart({ expires }: Pair, now: Date): Part {
  const ready = expires > now;
  return { name: 'certificate', ready, why: `${ready ? 'ends' : 'ended'} ${expires.toISOString()}` };
}

/** @throws UsvhostError USV_CERTIFICATE, USV_CONFIG (an address or port that cannot be had) */
export async function startWebhook(config: WebhookConfig, deps: WebhookDeps): Promise<WebhookDaemon> {
  const { log, now = () => new Date(), requestMillis } = deps;
  const undo: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    const metrics = createWebhookMetrics(() => watch.pair.expires);
    const look = (): Part[] => [certificatePart(watch.pair, now())];
    const watch = watchPair(
      config,
      { changed: (pair) => server.use(pair), looked: (result) => metrics.looked(result) },
      log,
    );
    undo.push(() => watch.close());
    // Made before anything is waited for: from then on the watch has somebody to tell.
    const server = new WebhookServer({
      address: config.address,
      port: config.port,
      pair: watch.pair,
      decide: (body, forced) => review(body, forced, config),
      look,
      ended: (result, seconds) => metrics.reviewed(result, seconds),
      log,
      ...(requestMillis === undefined ? {} : { requestMillis }),
    });
    const status = await startStatus(config, { metrics, look, log });
    undo.push(() => status?.close());
    await server.start();
    undo.push(() => server.close());
    const { address } = server;
    if (address === undefined) throw new TypeError('a server that listens has an address');
    return {
      address,
      get status() {
        return status?.address;
      },
      close: async () => {
        await close();
        log.info('webhook has stopped');
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs the webhook until `stop` is aborted; what `usvhost webhook` does after reading its configuration. */
export async function runWebhook(config: WebhookConfig, deps: WebhookDeps, stop: AbortSignal): Promise<void> {
  await runUntil(stop, await startWebhook(config, deps));
}
