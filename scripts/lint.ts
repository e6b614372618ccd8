// SPDX-License-Identifier: Apache-2.0
//
// Every check that needs no run of the program: `lint.ts [--fix]`. One line a check, its findings below it. A check whose
// tool is not installed is named with its package; it fails under USVHOST_REQUIRE=all.

import { globSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { main, projectRoot, run } from './main.ts';
import { describePeers, findProgram, missingPeers, type PeerName, requireAll } from './packages.ts';

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** Instead of `command` under --fix; without it the check only reports. */
  readonly fix?: readonly string[];
  readonly needs?: PeerName;
}

const script = (path: string, ...args: readonly string[]): string[] => [
  process.execPath,
  join(projectRoot, path),
  ...args,
];
/** Of one check's findings; the first ones are enough to start with. */
const mostLines = 80;
const biome = 'node_modules/@biomejs/biome/bin/biome';

function checks(): Check[] {
  const sources = globSync(['native/**/*.{h,cc}', 'hostile/player/*.{h,cc}'], {
    cwd: projectRoot,
  }).toSorted();
  const clangFormat = findProgram('clang-format-19') ?? 'clang-format-19';
  // One style for all, wherever it lies.
  const style = '--style=file:native/.clang-format';
  return [
    {
      name: 'format',
      command: script(biome, 'check', '--log-level=warn'),
      fix: script(biome, 'check', '--write', '--log-level=warn'),
    },
    {
      name: 'native format',
      command: [clangFormat, style, '--dry-run', '-Werror', ...sources],
      fix: [clangFormat, style, '-i', ...sources],
      needs: 'clang-format-19',
    },
    { name: 'types', command: script('node_modules/typescript/bin/tsc', '--noEmit', '--pretty', 'false') },
    {
      name: 'lint',
      command: script(
        'node_modules/oxlint/bin/oxlint',
        '--type-aware',
        '--tsconfig=tsconfig.json',
        '--format=unix',
        '--deny-warnings',
      ),
    },
    { name: 'dead code', command: script('node_modules/knip/bin/knip.js', '--no-progress') },
    { name: 'borders', command: script('scripts/borders.ts') },
    { name: 'generated files', command: script('scripts/gen.ts', '--check'), fix: script('scripts/gen.ts') },
  ];
}

/** Prints one line and the findings; false when there are any. */
async function runCheck(check: Check, command: readonly string[]): Promise<boolean> {
  const missing = missingPeers(check.needs === undefined ? [] : [check.needs]);
  if (missing.length > 0) {
    process.stdout.write(`${check.name}: skipped: needs ${describePeers(missing)}\n`);
    return !requireAll();
  }
  const start = performance.now();
  const [program = '', ...args] = command;
  const { code, output } = await run(program, args);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`${check.name}: ${code === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
  if (code !== 0) {
    const lines = output.trimEnd().split('\n');
    const rest = lines.length > mostLines ? [`… and ${lines.length - mostLines} more lines`] : [];
    process.stdout.write(`${[...lines.slice(0, mostLines), ...rest].join('\n')}\n`);
  }
  return code === 0;
}

await main(async () => {
  const { values } = parseArgs({ options: { fix: { type: 'boolean' } } });
  let clean = true;
  for (const check of checks()) {
    const command = values.fix === true ? (check.fix ?? check.command) : check.command;
    clean = (await runCheck(check, command)) && clean;
  }
  return clean ? 0 : 1;
});
