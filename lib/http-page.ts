// SPDX-License-Identifier: Apache-2.0
//
// The small pages that daemons answer by HTTP, and the one way in which they are sent. Nothing of a request is sent back.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { describeParts, type Part } from './parts.ts';

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export function plain(status: number, body: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body };
}

/** Each part with its reason; 503 while one is not ready. */
export function readiness(parts: readonly Part[]): Page {
  return plain(parts.every(({ ready }) => ready) ? 200 : 503, describeParts(parts));
}

/** HEAD gets the headers alone. `last`: the connection ends with this answer. */
export function send(
  page: Page,
  { request, response, last }: { request: IncomingMessage; response: ServerResponse; last: boolean },
): void {
  response.writeHead(page.status, {
    'content-type': page.type,
    'content-length': Buffer.byteLength(page.body),
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...(last ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}
