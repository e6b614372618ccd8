// SPDX-License-Identifier: Apache-2.0
//
// A copy of the tree with a CNI plugin that is not what it should be: absent, or the script that is given.

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tree } from './person.ts';

const parts = [
  ...['agent', 'cli', 'cni', 'dataplane', 'device-plugin', 'lib', 'proto', 'switch'],
  ...['native/index.ts', 'native/shim-file.ts', 'package.json', 'test/fakes'],
];

/** Fills an empty directory and returns the arguments that run its `usvhost`. */
export function breakTree(directory: string, options: { readonly plugin?: string } = {}): string[] {
  for (const part of parts) cpSync(join(tree, part), join(directory, part), { recursive: true });
  symlinkSync(join(tree, 'node_modules'), join(directory, 'node_modules'));
  const plugin = join(directory, 'build/native/usvhost');
  mkdirSync(dirname(plugin), { recursive: true });
  symlinkSync(join(tree, 'build/native/usvhost.node'), `${plugin}.node`);
  if (options.plugin !== undefined) writeFileSync(plugin, options.plugin, { mode: 0o755 });
  return [process.execPath, join(directory, 'cli/usvhost.ts')];
}
