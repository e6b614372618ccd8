// SPDX-License-Identifier: Apache-2.0
//
// Who counts what the reconciler and the leftovers do.

export const cleanupActions = ['attachment', 'port', 'tombstone', 'leftover', 'leftover_failed'] as const;
export type CleanupAction = (typeof cleanupActions)[number];

export interface CleanupObserver {
  /** Something that no pod owns was taken away, or could not be. */
  acted(action: CleanupAction): void;
  /** A comparison has ended; not `complete` when a source did not answer. */
  passed(seconds: number, complete: boolean): void;
}
