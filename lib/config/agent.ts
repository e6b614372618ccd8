// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost agent`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod/mini';
import { absolutePath, integerField, rootField } from './fields.ts';

const id = z.int().check(z.minimum(0));

export const agentConfigSchema = z.strictObject({
  root: rootField,
  ports: integerField(1, 1024, 64, 'how many ports the device plugin advertises'),
  resourceName: z
    ._default(z.string().check(z.regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/)), 'usvhost.io/port')
    .check(z.describe('name of the extended resource')),
  podDirUid: z._default(id, 0).check(z.describe('owner of a pod directory')),
  podDirGid: z._default(id, 0).check(z.describe('group of a pod directory')),
  podDirMode: integerField(0, 0o777, 0o755, 'mode of a pod directory (decimal in JSON)'),
  tunDevice: z
    ._default(absolutePath, '/dev/net/tun')
    .check(z.describe('device node handed to pods for their taps')),
  reconcileSeconds: integerField(1, 3600, 60, 'pause between two looks for what no pod owns any more'),
});

export type AgentConfig = Readonly<z.output<typeof agentConfigSchema>>;
