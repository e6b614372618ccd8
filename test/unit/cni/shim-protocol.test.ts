// SPDX-License-Identifier: Apache-2.0
//
// The agent's half of the wire: what is refused, and layouts against native/shim/protocol.h (the contract tests prove them
// against the binary).

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as wire from '../../../cni/shim-protocol.ts';

const owner = { mode: 0o755, uid: 1, gid: 2 };
const prefix = { bytes: new Uint8Array(4), length: 24 };

test.each([
  ['mkdir', wire.encodeMkdir('a', owner), 204],
  ['writeFile', wire.encodeWriteFile('a', owner, Buffer.from('xyz')), 207],
  ['path', wire.encodePath('a'), 192],
  ['bind', wire.encodeBind('a', 'b', { readOnly: true }), 388],
  [
    'tapAdd',
    wire.encodeTapAdd({
      ifname: 'n',
      alias: 'a',
      mac: '02:00:00:00:00:01',
      mtu: 1,
      uid: 0,
      multiQueue: true,
    }),
    100,
  ],
  ['tapDeleteIn', wire.encodeTapDeleteIn('/ns', 'n', 'a'), 336],
  ['tapDelete', wire.encodeTapDelete('n', 'a'), 80],
  ['link', wire.encodeLink('n'), 16],
  ['addressAdd', wire.encodeAddressAdd('n', prefix), 36],
  ['routeAdd', wire.encodeRouteAdd('n', { destination: prefix }), 68],
  ['exec', wire.encodeExec({ plugin: 'p', command: 'ADD', timeoutMillis: 1, stdin: Buffer.from('{}') }), 362],
  [
    'execFor',
    wire.encodeExecFor(
      {
        plugin: 'p',
        command: 'DEL',
        attachment: { containerId: 'x'.repeat(256), ifname: 'net1' },
        timeoutMillis: 1,
        stdin: Buffer.from('{}'),
      },
      'a=b',
    ),
    1386,
  ],
  ['finish', wire.encodeFinish(1, 'x'), 5],
])('%s has the size of its record', (_, body, size) => {
  expect(body).toHaveLength(size);
});

test('a frame survives encoding and decoding', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (bytes, sequence) => {
      const frame = wire.encodeFrame('report', sequence, Buffer.from(bytes));
      expect(wire.decodeHeader(frame)).toEqual({ kind: 2, sequence, length: bytes.length });
      expect(Buffer.compare(frame.subarray(wire.headerBytes), bytes)).toBe(0);
    }),
  );
});

describe('refuses', () => {
  const header = (magic: number, length: number): Buffer => {
    const bytes = Buffer.alloc(wire.headerBytes);
    bytes.writeUInt32LE(magic, 0);
    bytes.writeUInt32LE(length, 12);
    return bytes;
  };

  test.each<[string, () => unknown]>([
    ['another protocol', () => wire.decodeHeader(header(0x31565355, 0))],
    ['a body over the limit', () => wire.decodeHeader(header(wire.magic, wire.maxBody + 1))],
    ['a short request', () => wire.decodeRequest(Buffer.alloc(31))],
    ['a request whose lengths do not add up', () => wire.decodeRequest(Buffer.alloc(32, 0xff))],
    ['a short report', () => wire.decodeReport(Buffer.alloc(7))],
    ['a stat of another size', () => wire.decodeStat(Buffer.alloc(31))],
    ['a link of another size', () => wire.decodeLink(Buffer.alloc(101))],
    ['part of an address', () => wire.decodeAddresses(Buffer.alloc(21))],
  ])('%s', (_, act) => {
    expect(act).toThrow(expect.objectContaining({ code: 'USV_MESSAGE' }));
  });

  test.each<[string, () => unknown]>([
    ['a path of 192 bytes', () => wire.encodePath('x'.repeat(192))],
    ['a path with a NUL', () => wire.encodePath('a\0b')],
    ['an interface of 16 bytes', () => wire.encodeLink('x'.repeat(16))],
  ])('%s', (_, act) => {
    expect(act).toThrow(expect.objectContaining({ code: 'USV_NAME' }));
  });
});

test('any bytes as a request give a request or USV_MESSAGE, never another error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        wire.decodeRequest(Buffer.from(bytes));
      } catch (error) {
        expect(error).toMatchObject({ code: 'USV_MESSAGE' });
      }
    }),
  );
});

test('a request tells an empty variable from an absent one', () => {
  const values = ['ADD', 'c1', '', '', '', '/opt', '{}'];
  const head = Buffer.alloc(32);
  head.writeUInt32LE(0b1100111, 0);
  values.forEach((value, n) => {
    head.writeUInt32LE(value.length, 4 + 4 * n);
  });
  expect(wire.decodeRequest(Buffer.concat([head, Buffer.from(values.join(''))]))).toEqual({
    command: 'ADD',
    containerId: 'c1',
    netns: '',
    ifname: undefined,
    args: undefined,
    path: '/opt',
    stdin: Buffer.from('{}'),
  });
});
