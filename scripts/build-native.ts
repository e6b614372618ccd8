// SPDX-License-Identifier: Apache-2.0
//
// Builds everything native with CMake. It configures only when an argument has changed and leaves the rest to the build
// tool, so that it may run before every demo and test. All output goes to standard error: standard output is for results.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { usvFailure } from '../lib/errors.ts';
import { main, projectRoot, run } from './main.ts';
import { describePeers, findProgram, missingPeers, type PeerName, peers } from './packages.ts';

/** `native` is what runs; the others are the same code under a sanitizer or for libFuzzer. */
export type Variant = 'native' | 'asan' | 'tsan' | 'fuzz';

const clang = ['-DCMAKE_C_COMPILER=clang-19', '-DCMAKE_CXX_COMPILER=clang++-19'];
const variantArguments: Readonly<Record<Variant, readonly string[]>> = {
  native: ['-DCMAKE_BUILD_TYPE=Release'],
  asan: ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DUSVHOST_SANITIZE=address'],
  tsan: ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DUSVHOST_SANITIZE=thread'],
  fuzz: ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DUSVHOST_FUZZ=ON', ...clang],
};

/** Where a variant's outputs lie. */
export function buildDirectory(variant: Variant): string {
  return join(projectRoot, 'build', variant);
}

const { resolve } = createRequire(import.meta.url);
const nodeApiHeaders = join(dirname(resolve('node-api-headers/package.json')), 'include');
const nodeAddonApi = dirname(resolve('node-addon-api/package.json'));

function configureArguments(variant: Variant): string[] {
  return [
    '-S',
    join(projectRoot, 'native'),
    '-B',
    buildDirectory(variant),
    '-G',
    findProgram('ninja') === undefined ? 'Unix Makefiles' : 'Ninja',
    `-DNODE_API_HEADERS=${nodeApiHeaders}`,
    `-DNODE_ADDON_API=${nodeAddonApi}`,
    '--log-level=WARNING',
    ...variantArguments[variant],
  ];
}

function readStamp(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // never configured, or not to the end
  }
}

async function configure(variant: Variant): Promise<void> {
  const directory = buildDirectory(variant);
  const args = configureArguments(variant);
  const stampFile = join(directory, '.configured');
  // What CMake would find now and does not look for again by itself is part of the stamp.
  const stamp = JSON.stringify([args, process.env['CXX'] ?? '', peers.doctest.present()]);
  if (readStamp(stampFile) === stamp) return;
  process.stderr.write(`native: configuring ${directory}\n`);
  for (const stale of ['.configured', 'CMakeCache.txt', 'CMakeFiles'])
    rmSync(join(directory, stale), { recursive: true, force: true });
  const { code, output } = await run('cmake', args);
  if (code !== 0) {
    process.stderr.write(output);
    throw usvFailure('USV_NATIVE_BUILD', `cmake cannot configure ${directory}; its messages are above`);
  }
  writeFileSync(stampFile, stamp);
}

const quiet =
  /^(ninja: (no work to do\.|Entering directory .*)|-- .*|\[0\/\d+\] (Re-checking globbed directories\.\.\.)?)?$/;

export interface BuildOptions {
  /** Only what runs on a node: the addon and the CNI plugin, no tests. Default: everything. */
  readonly runtimeOnly?: boolean;
  /** With `runtimeOnly`: targets beside it. */
  readonly also?: readonly string[];
  /** These targets and no others, whatever else is said here. */
  readonly targets?: readonly string[];
}

/**
 * Brings a variant up to date; without changes that takes well under a second.
 * @throws UsvhostError USV_PEER_MISSING when a tool is not installed, USV_NATIVE_BUILD when the build fails.
 */
export async function buildNative(variant: Variant = 'native', options: BuildOptions = {}): Promise<void> {
  const tools: PeerName[] = ['a C++ compiler', 'cmake', 'ninja or make', 'flock'];
  if (variant === 'fuzz') tools.push('clang++-19', 'libFuzzer');
  const missing = missingPeers(tools);
  if (missing.length > 0)
    throw usvFailure('USV_PEER_MISSING', `the native build needs ${describePeers(missing)}`);

  const directory = buildDirectory(variant);
  mkdirSync(directory, { recursive: true });
  await configure(variant);
  // Two builds in one directory at once would spoil it.
  const lock = join(directory, '.lock');
  const jobs = String(navigator.hardwareConcurrency);
  const { runtimeOnly = false, also = [] } = options;
  const targets = options.targets ?? (runtimeOnly ? ['addon', 'usvhost_shim', ...also] : []);
  const build = [lock, 'cmake', '--build', directory, '--parallel', jobs];
  if (targets.length > 0) build.push('--target', ...targets);
  const { code } = await run('flock', build, {
    onLine: (line) => {
      if (!quiet.test(line.trim())) process.stderr.write(`${line}\n`);
    },
  });
  if (code !== 0)
    throw usvFailure('USV_NATIVE_BUILD', `the build of ${directory} failed; its messages are above`);
}

if (import.meta.main) {
  await main(async () => {
    const { values } = parseArgs({
      options: {
        asan: { type: 'boolean' },
        tsan: { type: 'boolean' },
        fuzz: { type: 'boolean' },
        runtime: { type: 'boolean' },
        hostile: { type: 'boolean' },
      },
    });
    const hostile = values.hostile === true;
    const options = {
      runtimeOnly: values.runtime === true || hostile,
      also: hostile ? ['hostile_player'] : [],
    };
    const variants = (['asan', 'tsan', 'fuzz'] as const).filter((name) => values[name] === true);
    for (const variant of variants.length > 0 ? variants : (['native'] as const))
      await buildNative(variant, options);
    return 0;
  });
}
