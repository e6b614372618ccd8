// SPDX-License-Identifier: Apache-2.0
//
// Addresses between text and number, and the internet checksum, for any input.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { packetHelpers } from '../../../dataplane/packet-helpers.ts';
import { slowChecksum } from './packets.ts';

const { mac, macText, ipv4, ipv4Text, checksum } = packetHelpers;

test('a MAC is 48 bits, first byte highest, in either case', () => {
  expect(mac('02:00:00:00:00:01')).toBe(0x0200_0000_0001);
  expect(mac('FF:ff:FF:ff:FF:ff')).toBe(2 ** 48 - 1);
  fc.assert(
    fc.property(
      fc.maxSafeNat().map((n) => n % 2 ** 48),
      (value) => mac(macText(value)) === value,
    ),
  );
});

test('an IPv4 address is 32 bits', () => {
  expect(ipv4('10.0.0.1')).toBe(0x0a00_0001);
  fc.assert(fc.property(fc.ipV4(), (text) => ipv4Text(ipv4(text)) === text));
});

describe('what is no address', () => {
  test.each(['', '02:00:00:00:00', '02-00-00-00-00-01', '02:00:00:00:00:0g', '02:00:00:00:00:001'])(
    'MAC %j',
    (text) => {
      expect(() => mac(text)).toThrow(`USV_HANDLER: expected a MAC address such as 02:00:00:00:00:01`);
    },
  );
  test.each(['', '10.0.0', '10.0.0.256', '10.0.0.1/24', '::1', '10.0.0.-1', '1e1.0.0.1'])(
    'IPv4 %j',
    (text) => {
      expect(() => ipv4(text)).toThrow('USV_HANDLER: expected an IPv4 address such as 10.0.0.1');
    },
  );
});

describe('checksum', () => {
  test('of the example in RFC 1071, section 3', () => {
    expect(checksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8)).toBe(
      ~0xddf2 & 0xffff,
    );
  });

  test('of any bytes at any place, with a sum that began elsewhere', () => {
    const input = [fc.uint8Array({ maxLength: 3000 }), fc.nat(50), fc.nat(0xffff_ffff)] as const;
    fc.assert(
      fc.property(...input, (bytes, before, sum) => {
        const all = new Uint8Array(before + bytes.length + 3).fill(0xa5);
        all.set(bytes, before);
        const words = [(sum >>> 24) & 255, (sum >>> 16) & 255, (sum >>> 8) & 255, sum & 255];
        // Both have 0 in two forms.
        const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;
        return same(checksum(all, before, before + bytes.length, sum), slowChecksum([...words, ...bytes]));
      }),
    );
  });
});
