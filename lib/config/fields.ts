// SPDX-License-Identifier: Apache-2.0
//
// Fields that several configurations have. The small form of zod, since every pod's sidecar keeps it in memory.

import { en } from 'zod/locales';
import * as z from 'zod/mini';

// The small form has no words of its own for what is wrong.
z.config(en());

export const absolutePath = z.string().check(z.startsWith('/'));

export const rootField = z
  ._default(absolutePath, '/')
  .check(z.describe('directory under which all host paths hang'));

/** What the data threads of a process do when nothing is to be done; `idleMicros` stands beside it. */
export const pollModeField = z
  ._default(z.enum(['poll', 'adaptive', 'interrupt']), 'adaptive')
  .check(
    z.describe(
      'what a data thread does without work: `poll` goes on polling and keeps a CPU busy, `adaptive` polls for idleMicros before it sleeps, but only where the last pause was short, `interrupt` sleeps at once',
    ),
  );

/** An integer with both limits, a default and its meaning. */
export function integerField(minimum: number, maximum: number, initial: number, meaning: string) {
  return z
    ._default(z.int().check(z.minimum(minimum), z.maximum(maximum)), initial)
    .check(z.describe(meaning));
}

/** Beside `pollMode`. */
export const idleMicrosField = integerField(
  0,
  1_000_000,
  50,
  'pollMode `adaptive`: microseconds of polling without work before sleep; none when the last pause was more than twice as long',
);
