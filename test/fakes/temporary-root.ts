// SPDX-License-Identifier: Apache-2.0
//
// A temporary directory for one test file's roots and sockets, short enough for socket paths.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';

/** Returns a function that makes a new empty directory; all of them are removed after each test. */
export function temporaryRoots(): () => string {
  const made: string[] = [];
  afterEach(() => {
    for (const root of made.splice(0)) rmSync(root, { recursive: true, force: true });
  });
  return () => {
    const root = mkdtempSync(join(tmpdir(), 'usv-'));
    made.push(root);
    return root;
  };
}
