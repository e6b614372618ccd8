// SPDX-License-Identifier: Apache-2.0
//
// Runs tasks of one key one after the other and tasks of different keys together. Keeps nothing about a key whose tasks
// are done.

export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task);
    const tail = result.then(
      () => undefined,
      () => undefined, // the failure belongs to whoever waits for `result`
    );
    this.#tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }

  /** Whether a task of the key is under way or waits. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Resolves when everything that was queued so far is done. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
