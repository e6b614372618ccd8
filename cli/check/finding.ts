// SPDX-License-Identifier: Apache-2.0
//
// What a check or a diagnosis has found out about one thing, in words.

import { columns } from '../columns.ts';

/** `note`: worth knowing, not wrong; `skipped`: could not be looked at from here. */
export type FindingState = 'ok' | 'note' | 'skipped' | 'wrong';

export interface Finding {
  /** What was looked at. */
  readonly what: string;
  readonly state: FindingState;
  /** What was found. */
  readonly says: string;
  /** What to do about it; absent where there is nothing to do. */
  readonly todo?: string;
}

export function ok(what: string, says: string): Finding {
  return { what, state: 'ok', says };
}

export function note(what: string, says: string, todo?: string): Finding {
  return { what, state: 'note', says, ...(todo === undefined ? {} : { todo }) };
}

export function skipped(what: string, says: string): Finding {
  return { what, state: 'skipped', says };
}

export function wrong(what: string, says: string, todo: string): Finding {
  return { what, state: 'wrong', says, todo };
}

/** A control character could move a terminal's cursor, and much of what is shown a pod may have written. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}

/** One line for each finding, what to do below it. */
export function findingLines(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ what, state, says, todo }) => [
    [state, what, printable(says)],
    ...(todo === undefined ? [] : [['', '', `→ ${printable(todo)}`]]),
  ]);
  return `${columns(rows)}\n`;
}
