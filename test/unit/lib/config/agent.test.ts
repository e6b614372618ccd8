// SPDX-License-Identifier: Apache-2.0
//
// Pools of the agent's configuration: short where the defaults will do, refused where they would be mixed up.

import { expect, test } from '@jest/globals';
import { agentConfigSchema } from '../../../../lib/config/agent.ts';
import { loadConfig } from '../../../../lib/config/load.ts';

test('a pool of slices needs only its kind', () => {
  expect(agentConfigSchema.parse({ slices: [{ kind: 'shm' }] }).slices).toEqual([
    { kind: 'shm', sizeMi: 64, count: 1, numaNodes: [] },
  ]);
});

test('pools come from the environment too', () => {
  const env = { USVHOST_AGENT_SLICES: '[{"kind":"hugepages","count":4,"directory":"/mnt/huge"}]' };
  expect(loadConfig(agentConfigSchema, { role: 'agent', env, flags: {} }).slices).toMatchObject([
    { kind: 'hugepages', sizeMi: 64, count: 4, directory: '/mnt/huge' },
  ]);
});

test.each([
  ['two of one name', [{ kind: 'shm' }, { kind: 'shm', sizeMi: 64 }], 'at most one pool of the same kind'],
  ['an unknown field', [{ kind: 'shm', size: '64Mi' }], 'for slices.0.size, got an unknown field'],
  ['an unknown kind', [{ kind: 'memfd' }], 'shm'],
  ['too many', [{ kind: 'shm', count: 1025 }], '1024'],
  ['a relative directory', [{ kind: 'shm', directory: 'mem' }], '/'],
])('refuses %s', (_, slices, reason) => {
  expect(() => loadConfig(agentConfigSchema, { role: 'agent', env: {}, flags: { slices } })).toThrow(
    expect.objectContaining({ code: 'USV_CONFIG', message: expect.stringContaining(reason) }),
  );
});

test('the same size of another kind is another pool', () => {
  const slices = [{ kind: 'shm' }, { kind: 'hugepages' }];
  expect(agentConfigSchema.parse({ slices }).slices).toHaveLength(2);
});
