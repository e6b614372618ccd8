// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost switch`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod/mini';
import { idleMicrosField, integerField, pollModeField, rootField } from './fields.ts';

export const switchConfigSchema = z.strictObject({
  root: rootField,
  cpus: z
    ._default(z.array(z.int().check(z.minimum(0))), [])
    .check(z.describe('CPUs of the data threads, one thread each; empty: one thread that is not pinned')),
  maxPorts: integerField(1, 1024, 256, 'most ports at the same time'),
  macTableSize: integerField(64, 1_048_576, 4096, 'entries of the MAC table, of which each network has one'),
  macAgeSeconds: integerField(1, 1_000_000, 300, 'seconds until a learned address is forgotten'),
  pollMode: pollModeField,
  idleMicros: idleMicrosField,
  handshakeMillis: integerField(
    10,
    600_000,
    5000,
    'milliseconds that a peer may take for a vhost-user message',
  ),
});

export type SwitchConfig = Readonly<z.output<typeof switchConfigSchema>>;
