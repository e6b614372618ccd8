// SPDX-License-Identifier: Apache-2.0
//
// Instructions per frame, counted by callgrind: of the switch's loop, and of the driver's sending and receiving. Unlike a rate the count
// does not depend on the machine's load, so that a change of a few instructions shows; what caches cost it does not tell.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { usvFailure } from '../../lib/errors.ts';
import { buildDirectory, buildNative } from '../../scripts/build-native.ts';
import type { BenchCase, CaseGroup } from '../case.ts';

const queueSize = 256;
const bursts = 2000;
const featureBits = { versionOne: 32n, packed: 34n, inOrder: 35n } as const;
const rings = {
  split: [featureBits.versionOne],
  packed: [featureBits.versionOne, featureBits.packed, featureBits.inOrder],
} as const;
/** Functions of native/bench/forward_loop.cc and of the switch, by metric. */
const counted = {
  switch: 'usvhost::Forwarder::forward(*',
  send: '*::Pod::send(*',
  receive: '*::Pod::receive(*',
} as const;

async function instructions(program: string, args: readonly string[], of: string): Promise<number> {
  const valgrind = ['--tool=callgrind', '--callgrind-out-file=/dev/null', '--collect-atstart=no'];
  const { stdout, stderr } = await promisify(execFile)('valgrind', [
    ...valgrind,
    `--toggle-collect=${of}`,
    program,
    ...args,
  ]);
  const { frames } = JSON.parse(stdout) as { readonly frames: number };
  const collected = /Collected : (\d+)/.exec(stderr)?.[1];
  if (collected === undefined) {
    throw usvFailure('USV_INTERNAL', `expected a count of instructions from valgrind, got ${stderr}`);
  }
  return Number(collected) / frames;
}

function caseOf(size: number, ring: keyof typeof rings): BenchCase {
  const features = rings[ring].reduce((word, bit) => word | (1n << bit), 0n);
  const args = [features.toString(16), String(queueSize), String(size), String(bursts)];
  return {
    name: 'forward-loop',
    params: { size, ring, queueSize },
    metrics: Object.keys(counted).map((name) => ({ name, unit: 'instructions', better: 'lower' })),
    prepare: async () => {
      await buildNative('native', { runtimeOnly: true, also: ['forward_loop'] });
      return async () => undefined;
    },
    candidates: [
      {
        name: 'usvhost',
        needs: ['valgrind'],
        run: async () => {
          const program = join(buildDirectory('native'), 'forward_loop');
          const values: Record<string, number> = {};
          for (const [name, of] of Object.entries(counted)) {
            values[name] = await instructions(program, args, of);
          }
          return values;
        },
      },
    ],
  };
}

export const forwardLoop: CaseGroup = {
  name: 'forward-loop',
  about: 'instructions per frame of the switch and of the driver, counted by valgrind',
  cases: [64, 1500].flatMap((size) => [caseOf(size, 'split'), caseOf(size, 'packed')]),
};
