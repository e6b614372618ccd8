// SPDX-License-Identifier: Apache-2.0
//
// A stack of undos: each thing that is made pushes at once how it is unmade; a later failure unmakes them in reverse.
// An undo that fails does not stop the others.

export interface UndoFailure {
  readonly what: string;
  readonly error: unknown;
}

export class UndoStack {
  readonly #entries: { readonly what: string; readonly undo: () => Promise<void> }[] = [];

  /** `what` names the thing made, for the log. Push before an act that can be half done, after one that cannot. */
  push(what: string, undo: () => Promise<void>): void {
    this.#entries.push({ what, undo });
  }

  /** Undoes everything, newest first, and returns what could not be undone. */
  async run(): Promise<UndoFailure[]> {
    const failures: UndoFailure[] = [];
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      try {
        await entry.undo();
      } catch (error) {
        failures.push({ what: entry.what, error });
      }
    }
    return failures;
  }
}
