// SPDX-License-Identifier: Apache-2.0
//
// The table of the webhook's metrics; docs/metrics.md is generated from it. No label may grow with pods or namespaces.

import type { MetricTable } from './metrics.ts';

export const webhookMetricTable = {
  usvhost_build_info: {
    kind: 'gauge',
    help: 'Always 1; the release of usvhost and of Node are in its labels.',
    labels: ['version', 'nodejs'],
  },
  usvhost_webhook_reviews_total: {
    kind: 'counter',
    help: 'Requests for a review that have ended, by result: patched, untouched, or the code of the error; USV_ANNOTATION is a pod that was refused.',
    labels: ['result'],
  },
  usvhost_webhook_review_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the head of a request to the answer, reading its body included.',
    labels: [],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  usvhost_webhook_certificate_expiry_timestamp_seconds: {
    kind: 'gauge',
    help: 'When the certificate that is served ends, in seconds since 1970.',
    labels: [],
  },
  usvhost_webhook_certificate_reloads_total: {
    kind: 'counter',
    help: 'Looks at a changed certificate or key, by result: OK, or the code of the error, after which the pair before goes on being served.',
    labels: ['result'],
  },
} as const satisfies MetricTable;
