// SPDX-License-Identifier: Apache-2.0
//
// Programs that may take their time run where they are in nobody's way.

/** In the background other programs come first. */
export type Place = 'foreground' | 'background';

/** The words to run `program` by, in its place. */
export function commandIn(
  place: Place,
  program: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  if (place === 'foreground') return { command: program, args };
  return { command: 'nice', args: ['-n', '19', program, ...args] };
}
