// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost switch`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod';

export const switchConfigSchema = z.strictObject({
  root: z.string().startsWith('/').default('/').describe('directory under which all host paths hang'),
  cpus: z
    .array(z.int().min(0))
    .default([])
    .describe('CPUs of the data threads, one thread each; empty: one thread that is not pinned'),
  maxPorts: z.int().min(1).max(1024).default(256).describe('most ports at the same time'),
  macTableSize: z.int().min(64).max(1_048_576).default(4096).describe('entries of the MAC table'),
  macAgeSeconds: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(300)
    .describe('seconds until a learned address is forgotten'),
  idleMicros: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(50)
    .describe('microseconds of polling without work before sleep'),
  handshakeMillis: z
    .int()
    .min(10)
    .max(600_000)
    .default(5000)
    .describe('milliseconds that a peer may take for a vhost-user message'),
});

export type SwitchConfig = Readonly<z.output<typeof switchConfigSchema>>;
