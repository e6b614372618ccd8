// SPDX-License-Identifier: Apache-2.0
//
// What main thread and handler worker tell each other. Frames do not pass here.

import type { HandlerPort } from './packet-api.ts';

/** What a worker starts with. */
export interface HandlerWorkerData {
  /** Absolute path of the handler module. */
  readonly file: string;
  readonly ports: readonly HandlerPort[];
  /** How often the worker sends metrics; 0: only at the end. */
  readonly metricsMillis: number;
}

export type ToHandler =
  /** The number of a dataplane's exchange, see NativeFrameConsumer. */
  { readonly kind: 'attach'; readonly exchange: number } | { readonly kind: 'close' };

export type HandlerMetrics = Readonly<Record<string, number>>;

export type FromHandler =
  /** setup() has returned a handler. */
  | { readonly kind: 'ready' }
  /** The module cannot be used; the worker ends. */
  | { readonly kind: 'failed'; readonly details: string }
  | { readonly kind: 'metrics'; readonly metrics: HandlerMetrics }
  /** The answer to close; nothing comes after it. */
  | { readonly kind: 'closed'; readonly metrics: HandlerMetrics };
