// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { lookAtParts, type Parts } from '../../../agent/readiness.ts';
import { describeParts } from '../../../lib/parts.ts';

const resource = {
  resource: 'usvhost.io/port',
  registered: true,
  failure: undefined,
  healthy: 1,
  unhealthy: 0,
};
const good: Parts = {
  stateOpen: () => true,
  cniPresent: () => true,
  resources: () => [resource],
  switchReachable: () => true,
};
const failing = (parts: Partial<Parts>): string[] =>
  lookAtParts({ ...good, ...parts })
    .filter(({ ready }) => !ready)
    .map(({ name }) => name);

test('a whole node is ready, in words', () => {
  expect(describeParts(lookAtParts(good))).toBe(
    '[+]state: open\n[+]cni: listening\n[+]kubelet: registered\n[+]switch: reachable\n',
  );
});

test('each part fails by itself', () => {
  expect(failing({ stateOpen: () => false })).toEqual(['state']);
  expect(failing({ cniPresent: () => false })).toEqual(['cni']);
  expect(failing({ switchReachable: () => false })).toEqual(['switch']);
  expect(failing({ switchReachable: () => undefined })).toEqual(['switch']);
});

test('waiting for a kubelet is ready, being refused by one is not', () => {
  expect(failing({ resources: () => [resource, { ...resource, registered: false }] })).toEqual([]);
  const refused = { ...resource, registered: false, failure: 'USV_KUBELET: no\nthanks' };
  expect(failing({ resources: () => [resource, refused] })).toEqual(['kubelet']);
  expect(describeParts(lookAtParts({ ...good, resources: () => [refused] }))).toContain(
    '[-]kubelet: usvhost.io/port: USV_KUBELET: no thanks\n',
  );
});
