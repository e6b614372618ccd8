// SPDX-License-Identifier: Apache-2.0
//
// Files of the node, which lie in its own mount namespace.

import { run } from '../../cli/demo/process.ts';
import { inside } from './cluster.ts';

export async function readNodeFile(path: string): Promise<string> {
  return run(inside(['cat', path]));
}

/** Whole or not at all: a daemon may watch the directory. */
export async function writeNodeFile(path: string, content: string): Promise<void> {
  const script = 'cat > "$1.new" && mv "$1.new" "$1"';
  await run(inside(['sh', '-c', script, 'sh', path]), { stdin: content });
}

export async function removeNodeFile(path: string): Promise<void> {
  await run(inside(['rm', '-r', path]));
}
