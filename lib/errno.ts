// SPDX-License-Identifier: Apache-2.0
//
// Codes of failed system calls. Not by `instanceof Error`: an error of Node itself comes from another realm than the
// code in a vm context (jest), and is an instance of nothing there.

/** The code of a Node error such as `ENOENT`, or an empty string for anything else. */
export function errnoOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
