// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { isStationMac } from '../../../lib/mac-address.ts';

test.each(['02:00:00:00:00:01', '00:00:00:00:00:01', 'fe:ff:ff:ff:ff:ff', 'aa:bb:cc:dd:ee:ff'])(
  '%s is an address of a station',
  (text) => expect(isStationMac(text)).toBe(true),
);

test.each([
  ...['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:fb', '33:33:00:00:00:01'],
  ...[
    '',
    '02:00:00:00:00',
    '02:00:00:00:00:01:02',
    '02-00-00-00-00-01',
    '02:00:00:00:00:0G',
    'AA:BB:CC:DD:EE:FF',
  ],
  ...[' 02:00:00:00:00:01', '02:00:00:00:00:01\n'],
])('%j is none', (text) => expect(isStationMac(text)).toBe(false));
