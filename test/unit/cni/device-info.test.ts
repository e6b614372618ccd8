// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { deviceInfoName } from '../../../cni/device-info.ts';

const directory = 'run/k8s.cni.cncf.io/devinfo/cni';

test.each([
  [`/var/${directory}/fast-c1_net1`, 'fast-c1_net1'],
  [`/${directory}/fast-c1_net1`, 'fast-c1_net1'],
  [`/var/${directory}/${'x'.repeat(191)}`, 'x'.repeat(191)],
  [`/var/${directory}/${'x'.repeat(192)}`, undefined],
  [`/var/${directory}/${'é'.repeat(100)}`, undefined],
  [`/var/${directory}/`, undefined],
  [`/var/${directory}/..`, undefined],
  [`/var/${directory}/../dp/x`, undefined],
  [`/tmp/${directory}/x`, undefined],
  [`var/${directory}/x`, undefined],
  ['', undefined],
])('%s has the name %s', (path, name) => {
  expect(deviceInfoName(path)).toBe(name);
});
