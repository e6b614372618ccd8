// SPDX-License-Identifier: Apache-2.0
//
// The demo's result as a document: what `--json` prints as its last line, and docs/demo.schema.json to the letter. Fields
// may be added; none may change its meaning.

import * as z from 'zod/mini';

const count = z.int().check(z.minimum(0));
const rate = z.number().check(z.minimum(0));
const micros = z.number().check(z.minimum(0));

function described<Schema extends z.ZodMiniType>(schema: Schema, meaning: string): Schema {
  return schema.check(z.describe(meaning));
}

const ping = z.object({
  sent: count,
  received: count,
  rttUs: described(z.object({ min: micros, p50: micros, max: micros }), 'round trip times in microseconds'),
});

const port = z.object({
  pod: z.string(),
  port: described(z.string(), 'name on the switch'),
  mac: z.string(),
  features: described(z.string().check(z.regex(/^0x[0-9a-f]+$/)), 'negotiated virtio features, hexadecimal'),
});

const forward = z.object({
  size: described(count, 'bytes of a frame'),
  sent: count,
  received: count,
  drops: described(
    z.record(z.string(), count),
    'frames by <where>.<counter>, only counters that moved; their sum is what was sent and not received',
  ),
  mpps: described(rate, 'frames received in a microsecond'),
  gbps: described(rate, 'frames received, in Gb/s'),
});

export const demoDocumentSchema = z.object({
  ping,
  pingBy: described(
    z.enum(['tap', 'engine']),
    "through the kernels' taps, or from packet engine to packet engine",
  ),
  ports: z.array(port),
  forward: z.array(forward),
  leftovers: described(z.array(z.string()), 'what is left of the demo; empty when all is well'),
});

/** What crosses from the inside of the demo to the outside. */
export const insideDocumentSchema = z.extend(z.omit(demoDocumentSchema, { leftovers: true }), {
  table: z.string(),
});

export type DemoDocument = Readonly<z.output<typeof demoDocumentSchema>>;
export type DemoResult = Omit<DemoDocument, 'leftovers'>;
