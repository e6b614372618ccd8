// SPDX-License-Identifier: Apache-2.0
//
// The directory of the DELs that shims did without an agent. It reads and removes files; a file that is no good
// tombstone is removed with a warning, since nobody will ever make it good.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { decodeTombstone, maxTombstoneBytes, type WrittenDel } from '../cni/tombstone.ts';
import { errnoOf } from '../lib/errno.ts';
import { UsvhostError, usvError, usvFailure } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

export interface Tombstone extends WrittenDel {
  /** Name of its file. */
  readonly name: string;
}

/** Read at once; the others are read when these are gone. */
const maxAtOnce = 256;

export class Tombstones {
  readonly directory: string;
  readonly #log: Logger;
  readonly #known = new Map<string, Tombstone>();

  /** Makes the directory. Throws USV_IO. */
  constructor(directory: string, log: Logger) {
    this.directory = directory;
    this.#log = log;
    this.#io(() => {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      // Of shims that were killed while they wrote; one that writes now is told, and its runtime tries again.
      for (const name of readdirSync(directory)) {
        if (name.startsWith('.write-')) rmSync(join(directory, name), { recursive: true, force: true });
      }
    });
  }

  /** Those that are there, good or not. Throws USV_IO. */
  count(): number {
    return this.#names().length;
  }

  /** The good ones, oldest name first, at most 256. Throws USV_IO. */
  list(): Tombstone[] {
    const present = this.#names().toSorted().slice(0, maxAtOnce);
    for (const name of this.#known.keys()) if (!present.includes(name)) this.#known.delete(name);
    for (const name of present) this.#read(name);
    return [...this.#known.values()];
  }

  /** Throws USV_IO. */
  remove(name: string): void {
    this.#known.delete(name);
    this.#io(() => rmSync(join(this.directory, name), { recursive: true, force: true }));
  }

  #names(): string[] {
    return this.#io(() => readdirSync(this.directory).filter((name) => !name.startsWith('.write-')));
  }

  #read(name: string): void {
    if (this.#known.has(name)) return;
    try {
      this.#known.set(name, { name, ...decodeTombstone(this.#content(name)) });
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      if (error.code === 'USV_IO') {
        // Such as EACCES or EMFILE: it may be good, and is looked at again.
        this.#log.warn({ name, err: error }, 'a tombstone cannot be read');
        return;
      }
      this.#log.warn({ name, err: error }, 'a tombstone is refused and removed');
      this.remove(name);
    }
  }

  #content(name: string): Buffer {
    return this.#io(() => {
      if (lstatSync(join(this.directory, name)).isSymbolicLink()) throw refusal('a symbolic link');
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const file = openSync(join(this.directory, name), flags);
      try {
        const info = fstatSync(file);
        if (info.isFile() && info.size <= maxTombstoneBytes) return readFileSync(file);
        throw refusal(info.isFile() ? `${info.size} bytes` : 'another kind of file');
      } finally {
        closeSync(file);
      }
    });
  }

  #io<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      if (error instanceof UsvhostError || errnoOf(error) === '') throw error;
      throw usvFailure('USV_IO', `cannot use the tombstones in ${this.directory}: ${errnoOf(error)}`, {
        cause: error,
      });
    }
  }
}

function refusal(got: string): UsvhostError {
  const expected = `a file of at most ${maxTombstoneBytes} bytes`;
  return usvError('USV_MESSAGE', { what: 'a tombstone', expected, got });
}
