// SPDX-License-Identifier: Apache-2.0
//
// A temporary directory for sockets: short enough for their paths, and open to nobody else.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface PrivateDirectory {
  readonly path: string;
  remove(): void;
}

export function privateDirectory(): PrivateDirectory {
  const path = mkdtempSync(join(tmpdir(), 'usv-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
