// SPDX-License-Identifier: Apache-2.0
//
// Bounds, defaults and equality of port specifications.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PortSpec as WireSpec } from '../../../proto/gen/usvhost/switch/v1/PortSpec.ts';
import { differingField, parsePortSpec, toWireSpec } from '../../../switch/port-spec.ts';

describe('parsePortSpec', () => {
  const bad: readonly (readonly [string, WireSpec, string])[] = [
    ['an empty name', { name: '' }, 'USV_NAME'],
    ['a name that leaves the directory', { name: '../x' }, 'USV_NAME'],
    ['a name of dots', { name: '..' }, 'USV_NAME'],
    ['a name with a slash', { name: 'a/b' }, 'USV_NAME'],
    ['a name with a zero byte', { name: 'a\0b' }, 'USV_NAME'],
    ['a name with a newline at its end', { name: 'a\n' }, 'USV_NAME'],
    ['a name that is too long', { name: 'a'.repeat(32) }, 'USV_NAME'],
    ['mode bits above rwx', { name: 'p', socket_mode: 0o4666 }, 'USV_USAGE'],
    ['the uid that means none', { name: 'p', uid: 0xffff_ffff }, 'USV_USAGE'],
    ['the gid that means none', { name: 'p', gid: 0xffff_ffff }, 'USV_USAGE'],
    ['a multicast mac', { name: 'p', mac: '01:00:5e:00:00:01' }, 'USV_USAGE'],
    ['the broadcast mac', { name: 'p', mac: 'ff:ff:ff:ff:ff:ff' }, 'USV_USAGE'],
    ['the zero mac', { name: 'p', mac: '00:00:00:00:00:00' }, 'USV_USAGE'],
    ['a role that is none', { name: 'p', role: 'server' }, 'USV_USAGE'],
    ['a network with a space', { name: 'p', network: 'a b' }, 'USV_NAME'],
    ['a network of other letters', { name: 'p', network: 'n\u00e4h' }, 'USV_NAME'],
    ['a network with a newline at its end', { name: 'p', network: 'a\n' }, 'USV_NAME'],
    ['a network that is too long', { name: 'p', network: 'n'.repeat(254) }, 'USV_NAME'],
    ['half a mac', { name: 'p', mac: '02:00:00' }, 'USV_USAGE'],
    ['a mac with something behind it', { name: 'p', mac: '02:00:00:00:00:01 ' }, 'USV_USAGE'],
    ['an mtu below IPv4', { name: 'p', mtu: 67 }, 'USV_USAGE'],
    ['an mtu above 9702', { name: 'p', mtu: 9703 }, 'USV_USAGE'],
  ];
  test.each(bad)('refuses %s', (_, wire, code) => {
    expect(() => parsePortSpec(wire)).toThrow(expect.objectContaining({ code }));
  });

  test('fills in the defaults', () => {
    expect(parsePortSpec({ name: 'p' })).toEqual({
      name: 'p',
      role: 'listen',
      socketMode: 0o666,
      uid: undefined,
      gid: undefined,
      mac: '',
      mtu: 1500,
      network: '',
    });
  });

  test('where the switch connects, the mode is that of the directory', () => {
    expect(parsePortSpec({ name: 'p', role: 'connect' })).toMatchObject({
      role: 'connect',
      socketMode: 0o777,
    });
    expect(parsePortSpec({ name: 'p', role: 'connect', socket_mode: 0o750 }).socketMode).toBe(0o750);
  });

  test('keeps uid 0 apart from no uid, and writes macs in lower case', () => {
    expect(parsePortSpec({ name: 'p', uid: 0, mac: '02:AB:00:00:00:01' })).toMatchObject({
      uid: 0,
      mac: '02:ab:00:00:00:01',
    });
  });

  test('what it accepts goes over the wire and back unchanged', () => {
    const wire = fc.record({
      name: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,30}$/),
      socket_mode: fc.integer({ min: 0, max: 0o777 }),
      uid: fc.option(fc.nat(0xffff_fffe), { nil: undefined }),
      gid: fc.option(fc.nat(0xffff_fffe), { nil: undefined }),
      mac: fc.constantFrom('', '02:00:00:00:00:01', 'FE:ff:ff:ff:ff:ff'),
      mtu: fc.constantFrom(0, 68, 1500, 9702),
      role: fc.constantFrom('', 'listen', 'connect'),
      network: fc.stringMatching(/^[!-~]{0,253}$/),
    });
    fc.assert(
      fc.property(wire, ({ uid, gid, ...rest }) => {
        const spec = parsePortSpec({
          ...rest,
          ...(uid === undefined ? {} : { uid }),
          ...(gid === undefined ? {} : { gid }),
        });
        expect(parsePortSpec(toWireSpec(spec))).toEqual(spec);
      }),
    );
  });
});

describe('differingField', () => {
  const base = { name: 'p', mac: '02:00:00:00:00:01', mtu: 1500, socket_mode: 0o666 };

  test('equal, whether a default was written out or not', () => {
    const { name, mac } = base;
    expect(differingField(parsePortSpec(base), parsePortSpec({ name, mac }))).toBeUndefined();
  });

  test.each([
    ['socketMode', { socket_mode: 0o600 }],
    ['uid', { uid: 0 }],
    ['gid', { gid: 0 }],
    ['mac', { mac: '' }],
    ['mtu', { mtu: 9000 }],
    ['network', { network: 'fast' }],
  ])('names %s', (field, change) => {
    expect(differingField(parsePortSpec(base), parsePortSpec({ ...base, ...change }))).toBe(field);
  });
});
