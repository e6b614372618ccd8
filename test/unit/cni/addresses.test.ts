// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contains, derivedMac, parseAddress, parseCidr, samePrefix } from '../../../cni/addresses.ts';

describe('parseCidr', () => {
  test.each([
    '',
    '10.0.0.1',
    '10.0.0.1/33',
    '10.0.0/24',
    '10.0.0.256/24',
    'fd00::1/129',
    'fe80::1%eth0/64',
    'x/8',
    '/8',
  ])('refuses %p', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  test('gives the bytes of any IPv4 address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.nat(32), (bytes, length) => {
        expect(parseCidr(`${bytes.join('.')}/${length}`)).toEqual({ bytes, length });
      }),
    );
  });

  test('gives the bytes of any IPv6 address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(128), (bytes, length) => {
        const words = Buffer.from(bytes).toString('hex').match(/..../gu) ?? [];
        expect(parseCidr(`${words.join(':')}/${length}`)).toEqual({ bytes, length });
      }),
    );
  });
});

test('parseAddress refuses a prefix length', () => {
  expect(parseAddress('10.0.0.1/24')).toBeUndefined();
  expect(parseAddress('10.0.0.1')).toEqual(Uint8Array.of(10, 0, 0, 1));
});

test('contains and samePrefix', () => {
  const prefix = parseCidr('10.1.2.3/20') ?? { bytes: new Uint8Array(), length: 0 };
  expect(contains(prefix, Uint8Array.of(10, 1, 15, 255))).toBe(true);
  expect(contains(prefix, Uint8Array.of(10, 1, 16, 0))).toBe(false);
  expect(contains(prefix, new Uint8Array(16))).toBe(false);
  expect(contains({ ...prefix, length: 0 }, Uint8Array.of(1, 2, 3, 4))).toBe(true);
  expect(samePrefix(prefix, { ...prefix })).toBe(true);
  expect(samePrefix(prefix, { ...prefix, length: 21 })).toBe(false);
});

test('a derived MAC is stable, local and unicast', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (container, ifname) => {
      const mac = derivedMac(container, ifname);
      expect(mac).toMatch(/^02(:[0-9a-f]{2}){5}$/u);
      expect(derivedMac(container, ifname)).toBe(mac);
    }),
  );
  expect(derivedMac('a', 'b')).not.toBe(derivedMac('ab', ''));
});
