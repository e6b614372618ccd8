// SPDX-License-Identifier: Apache-2.0
//
// Class `config`: pieces of the configuration space that are not there, cannot be written or are not as long as they say; MTUs
// that no port has.

import { type Expectation, ends, type HostileCase, stays } from '../case.ts';
import { attackerMac, begin, goodFrames, handshake, hex, negotiate, send } from '../front-end.ts';
import { flags, mac, message, protocol, u16, u32, u64 } from '../wire.ts';

const spaceBytes = 256;
const configuring = { protocolFeatures: protocol.replyAck | protocol.config };

interface Piece {
  readonly offset?: number;
  readonly size?: number;
  readonly flags?: number;
  /** Bytes that are there. Default: as many as it says. */
  readonly there?: number;
}
const piece = ({ offset = 0, size = 0, flags: bits = 0, there = size }: Piece): string =>
  u32(offset) + u32(size) + u32(bits) + 'ff'.repeat(there);

function config(id: string, about: string, steps: readonly string[], expect: Expectation): HostileCase {
  return {
    id: `config/${id}`,
    about,
    script: [
      ...begin(),
      ...negotiate(configuring),
      ...steps,
      expect.kind === 'ends' ? 'closed a' : 'alive a',
    ],
    expect,
    needsProtocol: protocol.config,
  };
}

const largest = 0xffff_ffff;
const bad: readonly (readonly [id: string, about: string, piece: Piece])[] = [
  ['of-nothing', 'no bytes at all', {}],
  ['one-byte-too-long', 'one byte more than there may be', { size: spaceBytes + 1 }],
  ['says-largest', 'a size of 2³²-1 and one byte', { size: largest, there: 1 }],
  ['says-less', 'a size of 4 and eight bytes', { size: 4, there: 8 }],
  ['says-more', 'a size of 8 and four bytes', { size: 8, there: 4 }],
  ['says-all', 'a size of 256 and one byte', { size: spaceBytes, there: 1 }],
  ['behind', 'a byte behind the last one', { offset: spaceBytes, size: 1 }],
  [
    'over-the-end',
    'two bytes of which the second one is behind the last',
    { offset: spaceBytes - 1, size: 2 },
  ],
  ['all-of-it-later', 'all bytes, one byte too late', { offset: 1, size: spaceBytes }],
  ['offset-largest', 'one byte at 2³²-1', { offset: largest, size: 1 }],
  ['wraps', 'an offset and a size that add up to little in 32 bits', { offset: largest - 3, size: 8 }],
  [
    'wraps-to-nothing',
    'an offset and a size that add up to nothing in 32 bits',
    { offset: largest - 7, size: 8 },
  ],
  ['flags-2', 'a flag that nobody has given a meaning', { size: 8, flags: 2 }],
  ['flags-all', 'all flags', { size: 8, flags: largest }],
];
const badPieces = (['GET_CONFIG', 'SET_CONFIG'] as const).flatMap((name) =>
  bad.map(([id, about, words]) =>
    config(
      `${name === 'GET_CONFIG' ? 'get' : 'set'}-${id}`,
      `${name} of ${about}`,
      [send(name, piece(words))],
      ends('USV_MESSAGE'),
    ),
  ),
);
/** Sizes of the whole payload; whatever it says of itself is cut off somewhere or followed by more. */
const badPayloads = (['GET_CONFIG', 'SET_CONFIG'] as const).flatMap((name) =>
  [0, 1, 4, 8, 11, 12, 269, 4096].map((bytes) =>
    config(
      `${name === 'GET_CONFIG' ? 'get' : 'set'}-payload-${bytes}`,
      `${name} with ${bytes} bytes of payload that speaks of the whole space`,
      [send(name, piece({ size: spaceBytes, there: 5000 }).slice(0, 2 * bytes))],
      ends('USV_MESSAGE'),
    ),
  ),
);

const address = mac(attackerMac);
/** Address, then the state of the link: up (virtio 1.2, 5.1.4). */
const present = address + u16(1);
const write = (bytes: string, offset = 0, bits = 0): string =>
  send('SET_CONFIG', u32(offset) + u32(bytes.length / 2) + u32(bits) + bytes);

const space: readonly HostileCase[] = [
  config(
    'set-another-address',
    "SET_CONFIG of a canary's address",
    [write('0200000000ca')],
    ends('USV_MESSAGE', 'read-only'),
  ),
  config(
    'set-link-down',
    'SET_CONFIG of a link that is down',
    [write(u16(0), 6)],
    ends('USV_MESSAGE', 'read-only'),
  ),
  config(
    'set-queue-pairs',
    'SET_CONFIG of 65535 queue pairs',
    [write(u16(0xffff), 8)],
    ends('USV_MESSAGE', 'read-only'),
  ),
  config(
    'set-mtu',
    'SET_CONFIG of an MTU of 65535',
    [write(u16(0xffff), 10)],
    ends('USV_MESSAGE', 'read-only'),
  ),
  config(
    'set-last-byte',
    'SET_CONFIG of the last byte, behind all fields',
    [write('01', spaceBytes - 1)],
    ends('USV_MESSAGE', 'read-only'),
  ),
  config(
    'set-refused-and-acknowledged',
    'SET_CONFIG of another address with the wish for an answer, which must not be zero',
    [
      `send a ${message('SET_CONFIG', piece({ size: 6 }), { flags: flags.version1 | flags.needReply })}`,
      'reply a refused',
    ],
    ends('USV_MESSAGE', 'read-only'),
  ),
  config(
    'set-what-is-there',
    'SET_CONFIG of what is there already, as after a migration',
    [write(present), write(present, 0, 1), 'alive a'],
    stays,
  ),
  config(
    'get-byte-by-byte',
    'each byte of the space by itself, in 256 messages',
    Array.from({ length: spaceBytes }, (_, offset) => [
      send('GET_CONFIG', piece({ offset, size: 1 })),
      `reply a ${hex((1n << 32n) | BigInt(offset))}`,
    ]).flat(),
    stays,
  ),
  config(
    'get-ten-thousand-times',
    'GET_CONFIG of the whole space ten thousand times',
    ['repeat 10000', send('GET_CONFIG', piece({ size: spaceBytes })), 'reply a', 'end'],
    stays,
  ),
  config(
    'get-and-do-not-read',
    'GET_CONFIG of the whole space without end, whose answers are not read',
    ['repeat 20000', send('GET_CONFIG', piece({ size: spaceBytes })), 'end'],
    ends('USV_MESSAGE', 'reads its answers'),
  ),
  config(
    'get-with-descriptor',
    'GET_CONFIG with a descriptor, for which it has no use',
    [send('GET_CONFIG', piece({ size: 8 }), 'ka1')],
    ends('USV_MESSAGE'),
  ),
];

const lengthening = { protocolFeatures: protocol.replyAck | protocol.mtu };
const mtus = ([0, 67, 1501, 9000, 65_535, 65_536, 0x1_0000_05dc, (1n << 64n) - 1n] as const).map(
  (value): HostileCase => ({
    id: `config/mtu-${value}`,
    about: `NET_SET_MTU of ${value}, and the port has 1500`,
    script: [...begin(), ...negotiate(lengthening), send('NET_SET_MTU', u64(value)), 'closed a'],
    expect: ends('USV_MESSAGE'),
    needsProtocol: protocol.mtu,
  }),
);
const mtuUnderTraffic: HostileCase = {
  id: 'config/mtu-under-traffic',
  about: 'the smallest and the largest MTU that may be told, in turns while frames are sent',
  script: [
    ...handshake(lengthening),
    ...goodFrames(4),
    'repeat 500',
    send('NET_SET_MTU', u64(68)),
    'traffic a a1 ka1 2 2',
    send('NET_SET_MTU', u64(1500)),
    'traffic a a1 ka1 2 2',
    'end',
    'alive a',
  ],
  expect: stays,
  needsProtocol: protocol.mtu,
};

export const configCases: readonly HostileCase[] = [
  ...badPieces,
  ...badPayloads,
  ...space,
  ...mtus,
  mtuUnderTraffic,
];
