// SPDX-License-Identifier: Apache-2.0
//
// Configuration of `usvhost agent`: types, validation, documentation and chart values all follow from this schema.

import * as z from 'zod';

export const agentConfigSchema = z.strictObject({
  root: z.string().startsWith('/').default('/').describe('directory under which all host paths hang'),
  ports: z.int().min(1).max(1024).default(64).describe('how many ports the device plugin advertises'),
  resourceName: z
    .string()
    .regex(/^[a-z0-9.-]+\/[A-Za-z0-9._-]+$/)
    .default('usvhost.io/port')
    .describe('name of the extended resource'),
  podDirUid: z.int().min(0).default(0).describe('owner of a pod directory'),
  podDirGid: z.int().min(0).default(0).describe('group of a pod directory'),
  podDirMode: z.int().min(0).max(0o777).default(0o755).describe('mode of a pod directory (decimal in JSON)'),
  tunDevice: z
    .string()
    .startsWith('/')
    .default('/dev/net/tun')
    .describe('device node handed to pods for their taps'),
});

export type AgentConfig = Readonly<z.output<typeof agentConfigSchema>>;
