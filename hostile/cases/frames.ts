// SPDX-License-Identifier: Apache-2.0
//
// Class `frame`: frames of the wrong size, from the wrong address or to too many. Class `offload`: headers before a frame that
// ask for what cannot be done.

import { type HostileCase, stays } from '../case.ts';
import {
  attackerMac,
  bufferAt,
  canaryMacs,
  describe,
  goodBuffer,
  guest,
  handshake,
  headerBytes,
  hex,
  kick,
  neighbour,
  neighbourMac,
  tx,
  writeFrame,
} from '../front-end.ts';
import { descriptorFlags, feature, frame, u16 } from '../wire.ts';

interface Sent {
  readonly id: string;
  readonly about: string;
  readonly destination?: string;
  readonly source?: string;
  readonly length?: number;
  readonly times?: number;
}

function sent({ id, about, times = 1, ...words }: Sent): HostileCase {
  const { length = 60 } = words;
  return {
    id: `frame/${id}`,
    about,
    script: [
      ...handshake(),
      writeFrame(0, words),
      goodBuffer({ queue: tx }, 0, headerBytes + length),
      `traffic a a1 ka1 ${times} 1`,
      'taken a1 a',
      'alive a',
    ],
    expect: stays,
  };
}

const [canary] = canaryMacs;
const everybody = 'ff:ff:ff:ff:ff:ff';

const addresses: readonly HostileCase[] = [
  ...[1, 13, 14, 15, 59].map((length) =>
    sent({ id: `of-${length}-bytes`, about: `a frame of ${length} bytes`, length }),
  ),
  ...[1519, 1600, 2000].map((length) =>
    sent({
      id: `of-${length}-bytes`,
      about: `a frame of ${length} bytes, above the MTU of the port`,
      length,
    }),
  ),
  sent({ id: 'source-of-a-canary', about: "a canary's address as source", source: canary, times: 1000 }),
  sent({
    id: 'source-of-a-canary-to-everybody',
    about: "a canary's address as source, to everybody",
    source: canary,
    destination: everybody,
    times: 1000,
  }),
  sent({
    id: 'source-of-the-neighbour',
    about: "the neighbour's address as source",
    source: neighbourMac,
    times: 1000,
  }),
  sent({ id: 'source-is-group', about: 'a group address as source', source: '03:00:00:00:00:01' }),
  sent({ id: 'source-is-everybody', about: 'everybody as source', source: everybody }),
  sent({ id: 'source-is-zero', about: 'no address as source', source: '00:00:00:00:00:00' }),
  sent({ id: 'to-itself', about: 'frames to the own address', destination: attackerMac, times: 1000 }),
  sent({ id: 'to-everybody', about: 'frames to everybody', destination: everybody, times: 32 }),
  sent({ id: 'to-zero', about: 'frames to no address', destination: '00:00:00:00:00:00', times: 32 }),
];

const manySources: HostileCase = {
  id: 'frame/many-sources',
  about: 'twenty thousand source addresses to the neighbour, which is not there',
  script: [
    ...handshake(),
    ...Array.from({ length: 16 }, (_, slot) => [writeFrame(slot), goodBuffer({ queue: tx }, slot)]).flat(),
    ...Array.from({ length: 1250 }, (_, round) => [
      ...Array.from({ length: 16 }, (__, slot) => {
        const serial = round * 16 + slot;
        return `store ma ${hex(bufferAt(tx, slot) + headerBytes + 8)} 4 ${hex((serial * 2_654_435_761) % 2 ** 32)}`;
      }),
      'traffic a a1 ka1 16 16',
    ]).flat(),
    'alive a',
  ],
  expect: stays,
};

const longFrame: HostileCase = {
  id: 'frame/longest-chain',
  about: 'a frame of 64 buffers of 2 KiB each',
  script: [
    ...handshake(),
    writeFrame(0),
    ...Array.from({ length: 64 }, (_, index) =>
      describe({ queue: tx }, index, {
        address: guest(bufferAt(tx, index)),
        length: 2048,
        flags: index < 63 ? descriptorFlags.next : 0,
        next: index + 1,
      }),
    ),
    'offer a1 0',
    kick(tx),
    'taken a1 a',
    'alive a',
  ],
  expect: stays,
};

/** flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers (virtio 1.2, 5.1.6). */
interface Header {
  readonly flags?: number;
  readonly gso?: number;
  readonly headerLength?: number;
  readonly gsoSize?: number;
  readonly start?: number;
  readonly offset?: number;
  readonly buffers?: number;
}
const header = (words: Header): string =>
  [
    u16((words.flags ?? 0) | ((words.gso ?? 0) << 8)),
    u16(words.headerLength ?? 0),
    u16(words.gsoSize ?? 0),
    u16(words.start ?? 0),
    u16(words.offset ?? 0),
    u16(words.buffers ?? 0),
  ].join('');

const needsChecksum = 1;
const [tcp4, udp4, tcp6, udpSegments, ecn] = [1, 3, 4, 5, 0x80];
/** Before a frame without any offload: one buffer, nothing else. */
const plainHeader = header({ buffers: 1 });

const headers: readonly (readonly [id: string, about: string, words: Header])[] = [
  [
    'checksum-beyond',
    'a checksum to be written far beyond the frame',
    { flags: needsChecksum, start: 0xffff, offset: 0 },
  ],
  [
    'checksum-offset-beyond',
    'a checksum whose offset leads beyond',
    { flags: needsChecksum, start: 14, offset: 0xffff },
  ],
  [
    'checksum-wraps',
    'start and offset that add up to little in 16 bits',
    { flags: needsChecksum, start: 0xfff0, offset: 0x20 },
  ],
  [
    'checksum-last-byte',
    'a checksum of which one byte is in the frame',
    { flags: needsChecksum, start: 58, offset: 1 },
  ],
  [
    'checksum-at-the-end',
    'a checksum right behind the frame',
    { flags: needsChecksum, start: 60, offset: 0 },
  ],
  [
    'gso-size-zero',
    'segments of no bytes',
    { flags: needsChecksum, gso: tcp4, headerLength: 54, start: 34, offset: 16 },
  ],
  [
    'gso-size-one',
    'segments of one byte',
    { flags: needsChecksum, gso: tcp4, gsoSize: 1, headerLength: 54, start: 34, offset: 16 },
  ],
  ['gso-unknown', 'a kind of segmentation that nobody knows', { gso: 0x7f, gsoSize: 1000 }],
  ['gso-udp', 'UDP fragments', { flags: needsChecksum, gso: udp4, gsoSize: 100, start: 34, offset: 6 }],
  [
    'gso-udp-segments',
    'UDP segments',
    { flags: needsChecksum, gso: udpSegments, gsoSize: 100, start: 34, offset: 6 },
  ],
  [
    'gso-tcp6',
    'TCP over IPv6 in a frame that is none',
    { flags: needsChecksum, gso: tcp6, gsoSize: 1000, start: 54, offset: 16 },
  ],
  ['gso-ecn-alone', 'the ECN bit without a kind', { gso: ecn, gsoSize: 1000 }],
  [
    'gso-without-checksum',
    'TCP segments without a checksum to be made',
    { gso: tcp4, gsoSize: 1000, headerLength: 54 },
  ],
  [
    'header-length-beyond',
    'a header longer than the frame',
    { flags: needsChecksum, gso: tcp4, gsoSize: 1000, headerLength: 0xffff, start: 34, offset: 16 },
  ],
  ['buffers-many', 'a number of buffers that only a receiver is told', { buffers: 0xffff }],
  [
    'all-bits',
    'all bits',
    {
      flags: 0xff,
      gso: 0xff,
      headerLength: 0xffff,
      gsoSize: 0xffff,
      start: 0xffff,
      offset: 0xffff,
      buffers: 0xffff,
    },
  ],
];

/** Not negotiated: the header says nothing, and the neighbour gets one that says nothing either. */
const ignored = headers.map(
  ([id, about, words]): HostileCase => ({
    id: `offload/ignored-${id}`,
    about: `${about}, though nothing was negotiated`,
    script: [
      ...neighbour(),
      ...handshake(),
      writeFrame(0),
      `bytes ma ${hex(bufferAt(tx, 0))} ${header(words)}`,
      goodBuffer({ queue: tx }, 0),
      'offer a1 0',
      kick(tx),
      'taken a1 a',
      'taken n0 n 15',
      `compare mn ${hex(bufferAt(0, 0))} ${plainHeader}${frame({ destination: neighbourMac, source: attackerMac })}`,
      'alive a',
      'alive n',
    ],
    expect: stays,
  }),
);

/** Negotiated by the attacker and not by the neighbour: the frame is finished, or dropped, or the port ends for it; no lie gets through. */
const negotiated = headers.map(
  ([id, about, words]): HostileCase => ({
    id: `offload/negotiated-${id}`,
    about: `${about}, with checksums and TCP segmentation negotiated`,
    script: [
      ...neighbour(),
      ...handshake({ features: feature.csum | feature.hostTso4 }),
      writeFrame(0),
      `bytes ma ${hex(bufferAt(tx, 0))} ${header(words)}`,
      goodBuffer({ queue: tx }, 0),
      'traffic a a1 ka1 16 1',
      'settle a',
      'alive n',
    ],
    expect: { kind: 'either', codes: ['USV_RING'] },
    needs: feature.csum | feature.hostTso4,
  }),
);

export const frameCases: readonly HostileCase[] = [
  ...addresses,
  manySources,
  longFrame,
  ...ignored,
  ...negotiated,
];
