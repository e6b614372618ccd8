// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { argsOf, podOf } from '../../../cni/pod-identity.ts';

const none = { podUid: null, podNamespace: null, podName: null };

test('the pod is what the runtime says, and nothing where it says nothing', () => {
  const args = { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'web-0', K8S_POD_UID: 'a1-b2', Other: 'x' };
  const pod = podOf(new Map(Object.entries(args)));
  expect(pod).toEqual({ podUid: 'a1-b2', podNamespace: 'default', podName: 'web-0' });
  expect(argsOf(pod)).toBe('IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=a1-b2');
  expect(podOf(new Map())).toEqual(none);
  expect(podOf(new Map([['K8S_POD_NAME', '']]))).toEqual(none);
  expect(argsOf(none)).toBe('IgnoreUnknown=1');
});

test.each(['-x', 'a b', '../x', 'é', 'x'.repeat(254)])('%p is no name of a pod', (name) => {
  expect(() => podOf(new Map([['K8S_POD_NAME', name]]))).toThrow(
    expect.objectContaining({ code: 'USV_CNI_ENV' }),
  );
});
