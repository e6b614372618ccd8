// SPDX-License-Identifier: Apache-2.0
//
// What holds for the configuration of every daemon: defaults that pass their own schema, and documentation.

import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { agentConfigSchema } from '../../../../lib/config/agent.ts';
import { dataplaneConfigSchema } from '../../../../lib/config/dataplane.ts';
import { switchConfigSchema } from '../../../../lib/config/switch.ts';

const document = z.object({
  additionalProperties: z.literal(false),
  properties: z.record(z.string(), z.object({ description: z.string().min(10) })),
});

describe.each([
  { role: 'switch', schema: switchConfigSchema, least: {} },
  { role: 'agent', schema: agentConfigSchema, least: {} },
  { role: 'dataplane', schema: dataplaneConfigSchema, least: { port: ['net_virtio_user0,path=/x'] } },
])('$role', ({ schema, least }) => {
  test('defaults are valid, and stay what they are when given', () => {
    const defaults = schema.parse(least);
    expect(schema.parse(defaults)).toEqual(defaults);
  });

  test('every field is described and nothing else is taken', () => {
    const { properties } = document.parse(z.toJSONSchema(schema, { io: 'output' }));
    expect(Object.keys(properties).length).toBeGreaterThan(0);
    expect(schema.safeParse({ ...least, unknown: 1 }).success).toBe(false);
  });
});
