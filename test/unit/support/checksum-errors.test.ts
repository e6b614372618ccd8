// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { checksumErrors } from '../../support/checksum-errors.ts';

test('adds up the checksum errors of every protocol and nothing else', () => {
  const text = [
    'Icmp: InMsgs InErrors InCsumErrors',
    'Icmp: 10 9 1',
    'Tcp: InErrs OutRsts InCsumErrors',
    'Tcp: 7 8 2',
    'IpExt: InOctets InCsumErrors InNoECTPkts',
    'IpExt: 5 4 6',
    '',
  ].join('\n');
  expect(checksumErrors(text)).toBe(7);
});
