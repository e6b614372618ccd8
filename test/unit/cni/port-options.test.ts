// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { readConfig } from '../../../cni/config.ts';
import { ovsAbilities, podRoleOf, portOptionsOf, usvhostAbilities } from '../../../cni/port-options.ts';

const read = (more: object) => readConfig({ cniVersion: '1.1.0', name: 'fast', type: 'usvhost', ...more });

test('the role is what the switch does, unless the network names one that it does', () => {
  expect(podRoleOf(read({}), usvhostAbilities)).toBe('client');
  expect(podRoleOf(read({ podRole: 'server' }), usvhostAbilities)).toBe('server');
  expect(podRoleOf(read({}), ovsAbilities)).toBe('server');
  expect(() => podRoleOf(read({ podRole: 'client' }), ovsAbilities)).toThrow(
    'USV_CNI_FIELD: expected server for podRole with the switch ovs, got client',
  );
});

test('a trunk is a list of ids and ranges', () => {
  const trunk = [{ minID: 10, maxID: 12 }, { id: 5 }, { id: 11 }];
  expect(portOptionsOf(read({ trunk }), ovsAbilities)).toEqual({ trunk: [5, 10, 11, 12] });
});

test('limits as the runtime gives them, those of 0 too', () => {
  const bandwidth = { ingressRate: 1e9, ingressBurst: 2 ** 31 - 1, egressRate: 0, egressBurst: 0 };
  expect(portOptionsOf(read({ runtimeConfig: { bandwidth } }), ovsAbilities)).toEqual({ bandwidth });
  expect(portOptionsOf(read({}), ovsAbilities)).toBeUndefined();
});

test.each([
  [{ vlan: 5 }, 'vlan with the switch usvhost, got 5'],
  [{ trunk: [{ id: 5 }] }, 'trunk with the switch usvhost, got [5]'],
  [
    { runtimeConfig: { bandwidth: { ingressRate: 8 } } },
    'runtimeConfig.bandwidth with the switch usvhost, got {"ingressRate":8}',
  ],
])('our own switch refuses %j and says which one has it', (more, text) => {
  const act = () => portOptionsOf(read(more), usvhostAbilities);
  expect(act).toThrow(`USV_CNI_FIELD: expected no such key (the switch ovs has it) for ${text}`);
});

test.each([
  [{ vlan: 0 }, 'vlan'],
  [{ vlan: 4095 }, 'vlan'],
  [{ trunk: [] }, 'trunk'],
  [{ trunk: [{ id: 5, minID: 4 }] }, 'trunk'],
  [{ trunk: [{ minID: 7, maxID: 6 }] }, 'trunk'],
  [{ vlan: 5, trunk: [{ id: 5 }] }, 'vlan beside trunk'],
  [{ runtimeConfig: { bandwidth: { egressRate: 8 } } }, 'runtimeConfig.bandwidth'],
])('%j is refused', (more, text) => {
  expect(() => portOptionsOf(read(more), ovsAbilities)).toThrow(text);
});
