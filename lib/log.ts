// SPDX-License-Identifier: Apache-2.0
//
// The one logger: JSON lines on standard error, so that standard output stays for results.

import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** Level from USVHOST_LOG (default info; unknown values count as info); `role` is in each line. */
export function createLogger(
  role: string,
  to: DestinationStream = destination({ fd: 2, sync: true }),
): Logger {
  const wanted = process.env['USVHOST_LOG'] ?? 'info';
  return pino({ level: levels.includes(wanted) ? wanted : 'info', base: { role } }, to);
}
