// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { protocolFeatures, virtioFeatures } from '../../../lib/feature-names.ts';

test('known bits by name, others by number, lowest first', () => {
  expect(virtioFeatures((1n << 35n) | (1n << 32n) | (1n << 30n) | (1n << 63n))).toEqual([
    'PROTOCOL_FEATURES',
    'VERSION_1',
    'IN_ORDER',
    'bit 63',
  ]);
  expect(protocolFeatures(0x10009n)).toEqual(['MQ', 'REPLY_ACK', 'STATUS']);
  expect(virtioFeatures(0n)).toEqual([]);
});
