// SPDX-License-Identifier: Apache-2.0
//
// How a failure is told to a person on a terminal: one line for what we know, a stack only for what we do not.

import { UsvhostError } from './errors.ts';

export interface Report {
  /** Ends with a newline. */
  readonly text: string;
  readonly exitCode: number;
}

/** The report of anything thrown. An error of ours is `usvhost: CODE: details` and the next step, in one line. */
export function reportOf(error: unknown): Report {
  if (error instanceof UsvhostError) {
    const text = `usvhost: ${error.message.replaceAll('\n', ' ')}. ${error.next}\n`;
    return { text, exitCode: error.exitCode };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `usvhost: USV_INTERNAL: ${stack}\n`, exitCode: 1 };
}
