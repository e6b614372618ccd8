// SPDX-License-Identifier: Apache-2.0
//
// The document that `npm run bench -- --json` ends with. docs/bench.schema.json is this schema; a unit test compares them.

import * as z from 'zod/mini';

const count = z.int().check(z.minimum(0));
const text = z.string().check(z.minLength(1));

const candidate = z.strictObject({
  name: text,
  runs: z.array(z.number()).check(z.minLength(1)),
  median: z.number(),
  min: z.number(),
  max: z.number(),
});

export const benchDocument = z.strictObject({
  machine: z.strictObject({
    cpu: text,
    cpus: count.check(z.describe('CPUs that the benchmark may use')),
    memoryBytes: count,
    kernel: text,
    architecture: text,
    node: text,
    load: z.number().check(z.describe('load average of the last minute, before the first run')),
    hugepages: z.boolean().check(z.describe('whether peers had their memory in hugepages')),
  }),
  date: z.iso.datetime(),
  seconds: z.number().check(z.describe('length of one run')),
  rounds: count,
  cases: z.array(
    z.strictObject({
      name: text,
      params: z.record(z.string(), z.union([z.string(), z.number()])),
      unit: text,
      better: z.enum(['higher', 'lower']),
      candidates: z.array(candidate).check(z.minLength(1)),
      ratio: z
        .record(z.string(), z.number())
        .check(
          z.describe(
            'by peer: median of the rounds of ours over theirs, inverted where lower is better; above 1 is ahead',
          ),
        ),
    }),
  ),
  skipped: z.array(
    z.strictObject({
      case: text,
      candidate: text,
      needs: z.array(text),
      packages: z.array(text).check(z.describe('Debian packages that bring what is missing')),
    }),
  ),
});

export type BenchDocument = z.output<typeof benchDocument>;
export type MeasuredCase = BenchDocument['cases'][number];
export type MeasuredCandidate = MeasuredCase['candidates'][number];
export type Skipped = BenchDocument['skipped'][number];

/** The JSON Schema in docs/, as text. */
export function benchSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(benchDocument), null, 2)}\n`;
}
