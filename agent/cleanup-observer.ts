// SPDX-License-Identifier: Apache-2.0
//
// Who counts what the reconciler and the leftovers do.

export type CleanupAction = 'attachment' | 'port' | 'tombstone' | 'leftover' | 'leftover_failed';

export interface CleanupObserver {
  /** Something that no pod owns was taken away, or could not be. */
  acted(action: CleanupAction): void;
  /** A comparison has ended; not `complete` when a source did not answer. */
  passed(seconds: number, complete: boolean): void;
}
