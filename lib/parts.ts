// SPDX-License-Identifier: Apache-2.0
//
// Whether a daemon can do its work now, part by part, in the form that Kubernetes prints.

export interface Part {
  readonly name: string;
  readonly ready: boolean;
  /** Why, one line. */
  readonly why: string;
}

/** One line for each part, as Kubernetes prints them: `[+]state: open`. */
export function describeParts(parts: readonly Part[]): string {
  return parts.map(({ name, ready, why }) => `[${ready ? '+' : '-'}]${name}: ${oneLine(why)}\n`).join('');
}

/** A peer's words may be of any length and have any characters. */
function oneLine(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/gu, ' ').slice(0, 300);
}
