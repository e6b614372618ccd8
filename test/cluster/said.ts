// SPDX-License-Identifier: Apache-2.0
//
// What a command has said, whichever way it ended: for those who look again until it says something else.

import { UsvhostError } from '../../lib/errors.ts';

/** The output of `command`, or the words of its failure. Throws only what is no failure of a command. */
export async function said(command: Promise<string>): Promise<string> {
  try {
    return await command;
  } catch (error) {
    if (error instanceof UsvhostError) return error.details;
    throw error;
  }
}
