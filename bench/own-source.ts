// SPDX-License-Identifier: Apache-2.0
//
// Our source, native/bench/loop_source.cc: it keeps a number of frames going round in each direction and says how long it was busy. When
// it is busy nearly all the time, it is the source that limits the rate and not the switch.

import { join } from 'node:path';
import * as z from 'zod/mini';
import { Child } from '../cli/demo/process.ts';
import { buildDirectory, buildNative } from '../scripts/build-native.ts';
import type { RunContext } from './case.ts';
import { warmUpSeconds } from './rate.ts';
import type { Circulated, SourceOptions, Undo } from './source.ts';

const program = 'loop_source';
/** Frames of a direction. Fewer than a ring takes: none may be dropped because all of them wait in the same one. */
const mostFrames = 512;
const spareEntries = 64;

/** What the program prints. */
const printed = z.object({
  received: z.number(),
  nanos: z.number(),
  busy: z.number(),
  ports: z.array(z.object({ sent: z.number(), received: z.number() })),
});

/** Has it built; as `prepare` of a case. */
export async function prepareOurSource(): Promise<() => Promise<void>> {
  await buildNative('native', { runtimeOnly: true, also: [program] });
  return async () => undefined;
}

/** As the program takes it: so many frames of so many bytes. */
export function framesArgument({ frames, ringSize }: Pick<SourceOptions, 'frames' | 'ringSize'>): string {
  const window = Math.min(mostFrames, ringSize - spareEntries);
  const all = frames.reduce((sum, { parts }) => sum + parts, 0);
  return frames.map(({ bytes, parts }) => `${bytes}x${Math.floor((parts * window) / all)}`).join(',');
}

/** @throws UsvhostError USV_IO when the program fails or is interrupted */
export async function circulateByOurs(
  context: RunContext,
  options: SourceOptions,
  undo: Undo,
): Promise<Circulated> {
  const { paths, ringSize, listen = false } = options;
  const millis = [warmUpSeconds, context.seconds].map((seconds) => String(Math.round(seconds * 1000)));
  const result = Promise.withResolvers<string>();
  const argv = [
    join(buildDirectory('native'), program),
    ...[String(context.secondCpu), String(ringSize), listen ? 'listen' : 'connect', framesArgument(options)],
    ...millis,
    ...paths,
  ];
  const child = new Child(program, argv, { onLine: result.resolve });
  const stop = (): void => void child.stop();
  context.stop.addEventListener('abort', stop);
  undo(async () => {
    context.stop.removeEventListener('abort', stop);
    await child.stop();
  });
  const { received, nanos, busy, ports } = printed.parse(
    JSON.parse(await child.whileRunning(result.promise)),
  );
  // Nanoseconds: thousands of frames in a microsecond are millions in a second.
  const values = { '': (received / ports.length / nanos) * 1000, 'source-busy': busy * 100 };
  return { values, counts: ports };
}
