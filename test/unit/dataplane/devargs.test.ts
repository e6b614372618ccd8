// SPDX-License-Identifier: Apache-2.0
//
// Both forms of device arguments: what is read, what is refused and in which words, and that nothing else is thrown.

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type PortArguments, parseDevargs } from '../../../dataplane/devargs.ts';
import { UsvhostError } from '../../../lib/errors.ts';

const nothing = { queueSize: undefined, queues: undefined, mac: undefined, server: undefined, offers: {} };

describe('good', () => {
  const table: readonly (readonly [string, PortArguments])[] = [
    // The example of the RFC.
    [
      'eth_cvio0,queue_num=256,rx=1,tx=1,cq=0,path=/var/run/usvhost',
      { name: 'eth_cvio0', path: '/var/run/usvhost', ...nothing, queueSize: 256, queues: 1 },
    ],
    ['eth_cvio9999,path=/s', { name: 'eth_cvio9999', path: '/s', ...nothing }],
    [
      'eth_cvio0,mac=02:00:00:00:00:0A,path=/s',
      { name: 'eth_cvio0', path: '/s', ...nothing, mac: '02:00:00:00:00:0a' },
    ],
    [
      'net_virtio_user0,path=/s,queues=1,queue_size=1024,mac=02:00:00:00:00:01',
      {
        name: 'net_virtio_user0',
        path: '/s',
        ...nothing,
        queueSize: 1024,
        queues: 1,
        mac: '02:00:00:00:00:01',
      },
    ],
    ['net_virtio_user0,path=/s,queues=8', { name: 'net_virtio_user0', path: '/s', ...nothing, queues: 8 }],
    ['eth_cvio0,rx=4,path=/s,tx=4', { name: 'eth_cvio0', path: '/s', ...nothing, queues: 4 }],
    // DPDK's old name, and no number.
    ['virtio_user,path=/s', { name: 'virtio_user', path: '/s', ...nothing }],
    ['net_virtio_user,path=s', { name: 'net_virtio_user', path: 's', ...nothing }],
    [
      'net_virtio_user0,path=/s,cq=0,packed_vq=0,vectorized=0,mrg_rxbuf=1,in_order=0',
      {
        name: 'net_virtio_user0',
        path: '/s',
        ...nothing,
        offers: { packed: false, mergeable: true, inOrder: false },
      },
    ],
    // The size stands before what allows it.
    [
      'net_virtio_user0,path=/s,queue_size=255,packed_vq=1,indirect=0,event_idx=1',
      {
        name: 'net_virtio_user0',
        path: '/s',
        ...nothing,
        queueSize: 255,
        offers: { packed: true, indirect: false, eventIndex: true },
      },
    ],
    [
      'net_virtio_user0,path=/s,server=0',
      { name: 'net_virtio_user0', path: '/s', ...nothing, server: false },
    ],
    ['net_virtio_user0,path=/s,server=1', { name: 'net_virtio_user0', path: '/s', ...nothing, server: true }],
    // Only the first = divides.
    ['net_virtio_user0,path=/a=b/s', { name: 'net_virtio_user0', path: '/a=b/s', ...nothing }],
    ['eth_cvio0,queue_num=2,path=/s', { name: 'eth_cvio0', path: '/s', ...nothing, queueSize: 2 }],
    ['eth_cvio0,queue_num=4096,path=/s', { name: 'eth_cvio0', path: '/s', ...nothing, queueSize: 4096 }],
  ];

  test.each(table)('%s', (text, expected) => {
    expect(parseDevargs(text)).toEqual(expected);
  });
});

describe('bad', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'eth_cvio<N> or net_virtio_user<N>'],
    ['net_tap0,path=/s', '"net_tap0"'],
    ['eth_cvio,path=/s', '"eth_cvio"'],
    ['eth_cvio0x,path=/s', '"eth_cvio0x"'],
    ['net_virtio_user12345,path=/s', 'net_virtio_user12345'],
    [' net_virtio_user0,path=/s', 'for the device of --port'],
    ['net_virtio_user0', 'path=SOCKET or path=DIRECTORY'],
    ['net_virtio_user0,queues=1', 'for net_virtio_user0'],
    ['net_virtio_user0,path=', 'for path=, got ""'],
    ['net_virtio_user0,path=/a\0b', 'for path='],
    ['net_virtio_user0,path=/s,', 'got ""'],
    ['net_virtio_user0,path', 'got "path"'],
    ['net_virtio_user0,path=/s,path=/t', 'at most once'],
    ['net_virtio_user0,path=/s,iface=tap0', 'got "iface=tap0"'],
    // A key of the other form, and keys that every object has.
    ['net_virtio_user0,path=/s,queue_num=256', 'queue_num'],
    ['eth_cvio0,path=/s,queue_size=256', 'queue_size'],
    ['eth_cvio0,path=/s,__proto__=1', '__proto__'],
    ['eth_cvio0,path=/s,toString=1', 'toString'],
    ['eth_cvio0,path=/s,rx=9', '1 to 8, rx and tx alike for rx=, got "9"'],
    ['eth_cvio0,path=/s,rx=2,tx=4', 'rx and tx alike for tx=, got "4"'],
    ['eth_cvio0,path=/s,tx=0', 'for tx='],
    ['eth_cvio0,path=/s,cq=1', '0 (no control queue) for cq='],
    ['net_virtio_user0,path=/s,queues=9', '1 to 8'],
    ['net_virtio_user0,path=/s,queues=0', 'for queues='],
    ['net_virtio_user0,path=/s,server=2', '0 (connect) or 1 (listen)'],
    ['eth_cvio0,path=/s,server=1', 'a key of eth_cvio0'],
    ['net_virtio_user0,path=/s,packed_vq=2', '0 or 1 for packed_vq='],
    ['net_virtio_user0,path=/s,vectorized=1', 'one code path'],
    ['eth_cvio0,path=/s,queue_num=255', 'without packed_vq=1 for queue_num='],
    ['net_virtio_user0,path=/s,packed_vq=1,queue_size=4097', '2 to 4096'],
    ['net_virtio_user0,path=/s,in_order=2', '0 or 1 for in_order='],
    ['net_virtio_user0,path=/s,queue_size=0', '2 to 4096 for queue_size='],
    ['net_virtio_user0,path=/s,packed_vq=0,queue_size=255', 'a power of two from 2 to 4096'],
    ['net_virtio_user0,path=/s,queue_size=1', 'for queue_size='],
    ['net_virtio_user0,path=/s,queue_size=255', '"255"'],
    ['net_virtio_user0,path=/s,queue_size=8192', '"8192"'],
    ['net_virtio_user0,path=/s,queue_size=-256', '"-256"'],
    ['net_virtio_user0,path=/s,queue_size=0x100', '"0x100"'],
    ['net_virtio_user0,path=/s,queue_size=2.0', '"2.0"'],
    ['net_virtio_user0,path=/s,queue_size=99999999999999999999', 'for queue_size='],
    ['net_virtio_user0,path=/s,mac=02:00:00:00:00', 'a unicast MAC address'],
    ['net_virtio_user0,path=/s,mac=02:00:00:00:00:01:02', 'for mac='],
    ['net_virtio_user0,path=/s,mac=02-00-00-00-00-01', 'for mac='],
    ['net_virtio_user0,path=/s,mac=01:00:5e:00:00:01', 'unicast'],
    ['net_virtio_user0,path=/s,mac=ff:ff:ff:ff:ff:ff', 'unicast'],
  ];

  test.each(table)('%j', (text, says) => {
    expect(() => parseDevargs(text)).toThrow(expect.objectContaining({ code: 'USV_DEVARG', exitCode: 2 }));
    expect(() => parseDevargs(text)).toThrow(says);
  });
});

describe('any text', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('path', 'mac', 'queue_num', 'queue_size', 'queues', 'rx', 'cq', 'constructor'),
    fc.constantFrom('1', '256', '/s', '02:00:00:00:00:01', ''),
  );
  const pair = fc.oneof(
    word,
    fc.tuple(word, word).map(([key, value]) => `${key}=${value}`),
  );
  const device = fc.oneof(word, fc.constantFrom('eth_cvio0', 'net_virtio_user0', 'virtio_user'));
  const devargs = fc.tuple(device, fc.array(pair)).map(([name, pairs]) => [name, ...pairs].join(','));

  test('is read or refused as USV_DEVARG', () => {
    fc.assert(
      fc.property(devargs, (text) => {
        try {
          const { name, path, queueSize, mac } = parseDevargs(text);
          expect(text.startsWith(`${name},`)).toBe(true);
          expect(path).not.toBe('');
          if (queueSize !== undefined) expect(Number.isInteger(Math.log2(queueSize))).toBe(true);
          if (mac !== undefined) expect(mac).toHaveLength(17);
        } catch (error) {
          if (!(error instanceof UsvhostError)) throw error;
          expect(error.code).toBe('USV_DEVARG');
        }
      }),
      { numRuns: 2000 },
    );
  });

  const value = {
    mac: fc
      .constantFrom(...'02468ace')
      .chain((low) =>
        fc.tuple(
          fc.constant(`0${low}`),
          ...Array.from({ length: 5 }, () =>
            fc.integer({ min: 0, max: 255 }).map((n) => n.toString(16).padStart(2, '0')),
          ),
        ),
      )
      .map((bytes) => bytes.join(':')),
    size: fc.integer({ min: 1, max: 12 }).map((n) => 2 ** n),
    path: fc.stringMatching(/^[^,\0]{1,40}$/),
  };

  test('comes back as it was written, in any order of keys', () => {
    const written = fc.record({
      ...value,
      rfc: fc.boolean(),
      order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
    });
    fc.assert(
      fc.property(written, ({ mac, size, path, rfc, order }) => {
        const keys = [`path=${path}`, `mac=${mac}`, `${rfc ? 'queue_num' : 'queue_size'}=${size}`];
        const name = rfc ? 'eth_cvio3' : 'net_virtio_user3';
        expect(parseDevargs([name, ...order.map((index) => keys[index])].join(','))).toEqual({
          name,
          path,
          queueSize: size,
          mac,
          offers: {},
        });
      }),
    );
  });
});
