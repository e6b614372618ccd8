// SPDX-License-Identifier: Apache-2.0
//
// The webhook's metrics: who counts what, and where the gauge of the certificate reads.

import type { ErrorCode } from '../lib/errors.ts';
import { Metrics } from '../lib/metrics.ts';
import { webhookMetricTable } from '../lib/webhook-metrics.ts';
import description from '../package.json' with { type: 'json' };

export interface WebhookMetrics {
  readonly contentType: string;
  /** Everything, in Prometheus's text format. */
  text(): Promise<string>;
  reviewed(result: string, seconds: number): void;
  looked(result: 'OK' | ErrorCode): void;
}

/** `expires`: when the certificate that is served ends. */
export function createWebhookMetrics(expires: () => Date | undefined): WebhookMetrics {
  const metrics = new Metrics(webhookMetricTable, {
    usvhost_build_info: () => [
      { labels: { version: description.version, nodejs: process.versions.node }, value: 1 },
    ],
    usvhost_webhook_certificate_expiry_timestamp_seconds: () => {
      const end = expires();
      return end === undefined ? [] : [{ labels: {}, value: end.getTime() / 1000 }];
    },
  });
  metrics.addProcess();
  // A series that begins with its first event has no increase for it, and alerts would miss the first failure.
  for (const result of ['patched', 'untouched', 'USV_ANNOTATION'])
    metrics.count('usvhost_webhook_reviews_total', { result }, 0);
  for (const result of ['OK', 'USV_CERTIFICATE'])
    metrics.count('usvhost_webhook_certificate_reloads_total', { result }, 0);
  return {
    contentType: metrics.contentType,
    text: () => metrics.text(),
    reviewed: (result, seconds) => {
      metrics.count('usvhost_webhook_reviews_total', { result });
      metrics.observe('usvhost_webhook_review_duration_seconds', {}, seconds);
    },
    looked: (result) => metrics.count('usvhost_webhook_certificate_reloads_total', { result }),
  };
}
