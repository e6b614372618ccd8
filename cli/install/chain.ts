// SPDX-License-Identifier: Apache-2.0
//
// The configuration lists of a node: which one the cluster uses, and our entry in it. It must touch no file whose entry is
// as it should be.

import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { usvError } from '../../lib/errors.ts';
import { addEntry, type ChainAction, type Edited, holdsEntry, removeEntry } from './conflist.ts';
import { io, replaceFile } from './replace-file.ts';

export interface ChainResult {
  readonly path: string;
  readonly action: ChainAction;
}

/** What runtimes read, in this order of names (libcni, ConfFiles). */
const extensions: readonly string[] = ['.conf', '.conflist', '.json'];

function configurations(directory: string): string[] {
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) return [];
  return io(`list ${directory}`, () => readdirSync(directory))
    .filter((name) => extensions.includes(extname(name)))
    .sort()
    .map((name) => join(directory, name));
}

/** The configuration that a runtime uses for every pod. @throws UsvhostError USV_CONFIG when there is none */
export function firstConfiguration(directory: string): string {
  const [first] = configurations(directory);
  if (first !== undefined) return first;
  throw usvError('USV_CONFIG', {
    what: `--chain auto in ${directory}`,
    expected: "the cluster's CNI configuration; install its network first, or name the file",
    got: 'none',
  });
}

/** The lists of a directory that have an entry of ours. @throws UsvhostError USV_CONFIG, USV_IO */
export function chainedLists(directory: string): string[] {
  return configurations(directory).filter((path) => {
    if (extname(path) !== '.conflist') return false;
    const text = read(path);
    // Before it is parsed: a broken list of somebody else is no business of ours.
    return text.includes('"usvhost"') && holdsEntry(path, text);
  });
}

function read(path: string): string {
  return io(`read ${path}`, () => readFileSync(path, 'utf8'));
}

/** An edit that is decided and not yet done. */
export interface PlannedEdit {
  /** @throws UsvhostError USV_IO */
  apply(): ChainResult;
}

/** @throws UsvhostError of conflist.ts, USV_IO */
export function planChain(path: string, options: Readonly<Record<string, unknown>>): PlannedEdit {
  return plan(path, addEntry(path, read(path), options));
}

/** @throws UsvhostError of conflist.ts, USV_IO */
export function planUnchain(path: string): PlannedEdit {
  return plan(path, removeEntry(path, read(path)));
}

function plan(path: string, { action, text }: Edited): PlannedEdit {
  return {
    apply: () => {
      if (action !== 'unchanged') {
        // The file behind a link: the link stays.
        const file = io(`find ${path}`, () => realpathSync(path));
        const { mode, uid, gid } = io(`look at ${file}`, () => statSync(file));
        replaceFile(file, text, { mode: mode & 0o7777, uid, gid });
      }
      return { path, action };
    },
  };
}
