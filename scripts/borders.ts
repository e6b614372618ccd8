// SPDX-License-Identifier: Apache-2.0
//
// Who may import whom: the folders of the project and what each may use besides itself. The daemons never import one
// another, native code is reached by one door, and lib/ knows nobody. Cycles between files are oxlint's concern.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { main, projectRoot } from './main.ts';

const everything = [
  'agent',
  'cli',
  'cni',
  'dataplane',
  'device-plugin',
  'lib',
  'native',
  'proto',
  'scripts',
  'switch',
  'test',
  'webhook',
];

/** Folder → folders it may import from. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  // Goes into a manifest as it is.
  charts: [],
  lib: [],
  native: ['lib'],
  proto: ['lib'],
  switch: ['lib', 'native', 'proto'],
  dataplane: ['lib', 'native'],
  cni: ['lib', 'proto'],
  // native/shim-file.ts alone, the name of a program; the addon is not loaded by the agent.
  'device-plugin': ['lib', 'native', 'proto'],
  agent: ['cni', 'device-plugin', 'lib', 'proto'],
  webhook: ['lib'],
  scripts: ['lib'],
  bench: everything,
  hostile: everything,
  cli: everything,
  test: [...everything, 'bench', 'hostile'],
};

const importedPath = /(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)'(\.[^']*)'/gm;

/** What a file imports from other folders of the project against the rules; `file` is relative to the top folder. */
export function violations(file: string, source: string): string[] {
  const own = file.split(sep)[0] ?? '';
  const rules = allowed[own];
  if (rules === undefined) return [`${file}: the folder ${own} has no row in scripts/borders.ts`];
  const found: string[] = [];
  for (const [, path = ''] of source.matchAll(importedPath)) {
    const target = relative(projectRoot, resolve(projectRoot, file, '..', path)).split(sep);
    // A file at the top, such as package.json, is nobody's.
    if (target.length === 1 || target[0] === own || rules.includes(target[0] ?? '')) continue;
    found.push(`${file}: ${own} may not import ${path}; it may use ${rules.join(', ') || 'nothing of ours'}`);
  }
  return found;
}

/** All violations in the tree. */
function checkTree(): string[] {
  const skipped = ['node_modules', 'build', '.git'];
  return readdirSync(projectRoot, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !skipped.includes(entry.name))
    .flatMap((entry) =>
      readdirSync(join(projectRoot, entry.name), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(entry.name, name)),
    )
    .flatMap((file) => violations(file, readFileSync(join(projectRoot, file), 'utf8')));
}

if (import.meta.main) {
  await main(async () => {
    const found = checkTree();
    process.stdout.write(found.map((line) => `${line}\n`).join(''));
    return found.length > 0 ? 1 : 0;
  });
}
