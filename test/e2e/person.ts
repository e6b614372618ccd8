// SPDX-License-Identifier: Apache-2.0
//
// Who runs a command of the tree: the user of the tests, or, when that is root, also a user with a uid of its own who owns
// nothing. What such a user needs of the machine is looked at first, so that a test can say what is missing.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';
import { usvFailure } from '../../lib/errors.ts';
import { requireAll } from '../../scripts/packages.ts';

export const tree = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** A uid that owns nothing on the machine. */
export const nobodysUid = 10_002;
export const amRoot = process.getuid?.() === 0;

export interface Person {
  readonly uid: number;
  /** The arguments that run `usvhost` with these arguments, from a tree that the person can read. */
  usvhost(args: readonly string[]): string[];
}

export const ourselves: Person = {
  uid: process.getuid?.() ?? 0,
  usvhost: (args) => [process.execPath, `${tree}/cli/usvhost.ts`, ...args],
};

// The tree may lie below a directory that only its owner enters, so its parts are bound at a place that all may read.
const place = tree.startsWith('/mnt/') ? '/srv' : '/mnt';
const publicTree = `${place}/usvhost`;
const bindTree = `
place=$1 tree=$2; shift 2
mount -t tmpfs -o mode=0755 none "\${place%/*}"
mkdir "$place"
for part in "$tree"/*; do
  if [ -d "$part" ]; then mkdir "$place/\${part##*/}"; else touch "$place/\${part##*/}"; fi
  mount --rbind "$part" "$place/\${part##*/}"
done
exec "$@"`;

/** Runs a command with the tree at a place that all may read; in a mount namespace of its own. */
export function inPublic(command: readonly string[]): string[] {
  const moved = command.map((word) => word.replace(tree, publicTree));
  return ['sh', '-ec', bindTree, 'sh', publicTree, tree, ...moved];
}

function asNobody(command: readonly string[]): string[] {
  const ids = [`--reuid=${nobodysUid}`, `--regid=${nobodysUid}`, '--clear-groups'];
  return [
    ...['unshare', '--mount', '--propagation', 'private', '--'],
    ...inPublic(['setpriv', ...ids, ...command]),
  ];
}

/** A user without any privilege; only root can become one. */
export const nobody: Person = { uid: nobodysUid, usvhost: (args) => asNobody(ourselves.usvhost(args)) };

function works([file = '', ...args]: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}

const walls = ['unshare', '--mount', '--net', '--pid', '--fork', '--mount-proc'];
const userWalls = [...walls, '--user', '--map-root-user'];

/** What the person lacks to make namespaces, in the words of a skipped test; undefined when nothing. */
export function missingFor(person: Person): string | undefined {
  if (person === ourselves)
    return works([...(amRoot ? walls : userWalls), 'true'])
      ? undefined
      : 'root or unprivileged user namespaces';
  if (!amRoot) return 'root, to become another user';
  if (!works(asNobody([process.execPath, `${tree}/cli/usvhost.ts`, '--version'])))
    return 'a tree that anybody may read';
  return works(asNobody([...userWalls, 'true'])) ? undefined : 'unprivileged user namespaces';
}

type Define = (name: string, body: () => Promise<void>, timeoutMillis?: number) => void;

/** `test` for what a person does: skipped by name, or failed when everything is required, where that cannot be done. */
export function testAs(person: Person): Define {
  const missing = missingFor(person);
  if (missing === undefined) return test;
  if (!requireAll()) return (name, body) => test.skip(`${name} [skipped: needs ${missing}]`, body);
  return (name) => {
    test(name, () => {
      throw usvFailure('USV_PEER_MISSING', `${name} needs ${missing}`);
    });
  };
}
