// SPDX-License-Identifier: Apache-2.0
//
// Class `segment`: TCP frames of up to 64 KiB that are to be cut, good ones whose words change while they are cut, and those that
// are not what they say.

import { type HostileCase, stays } from '../case.ts';
import {
  attackerMac,
  bufferAt,
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
import { feature, frame, mac, u16 } from '../wire.ts';

const ethernet = 14;
const ip = ethernet;
const tcp = ip + 20;
const headers = tcp + 20;
/** The longest IPv4 packet in Ethernet. */
const longest = ethernet + 65_535;

/** Big-endian bytes of a number. */
const big = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, '0');

interface Words {
  /** Bytes from destination address to the end of the data. */
  readonly length: number;
  readonly gsoSize: number;
  readonly gsoType?: number;
  readonly start?: number;
  readonly headerLength?: number;
  /** First byte of the IP header: version, and length in words. */
  readonly version?: number;
  /** Length of the TCP header in words. */
  readonly tcpWords?: number;
  /** IP flags and fragment offset. */
  readonly fragment?: number;
  readonly protocol?: number;
}

/** Header, addresses and headers of a TCP packet at the first transmit buffer; its data are zeroes. */
function superframe(words: Words): string {
  const { length, gsoSize, gsoType = 1, start = tcp, headerLength = headers } = words;
  const { version = 0x45, tcpWords = 5, fragment = 0x4000, protocol: kind = 6 } = words;
  const said = Math.min(length - ethernet, 65_535);
  const bytes = [
    u16(1 | (gsoType << 8)) + u16(headerLength) + u16(gsoSize) + u16(start) + u16(16) + u16(0),
    mac(neighbourMac) + mac(attackerMac) + '0800',
    big(version, 1) + '00' + big(said, 2) + '0001' + big(fragment, 2) + '40' + big(kind, 1) + '0000',
    '0a0000010a000002',
    `100020000000000100000001${big(tcpWords << 4, 1)}18100000000000`,
  ];
  return `bytes ma ${hex(bufferAt(tx, 0))} ${bytes.join('')}`;
}

/** Descriptor `index` is this frame. */
const described = (index: number, length: number): string =>
  describe({ queue: tx }, index, { address: guest(bufferAt(tx, 0)), length: headerBytes + length });

const leaves = feature.csum | feature.hostTso4;

interface Case {
  readonly id: string;
  readonly about: string;
  readonly words: Words;
  readonly steps: readonly string[];
  /** The neighbour has agreed on these. Default: nothing. */
  readonly takes?: bigint;
}

function segment({ id, about, words, steps, takes = 0n }: Case): HostileCase {
  return {
    id: `segment/${id}`,
    about,
    script: [
      ...neighbour({ features: takes }),
      ...handshake({ features: leaves }),
      superframe(words),
      described(0, words.length),
      ...steps,
      'alive a',
      'alive n',
    ],
    expect: stays,
    needs: leaves | takes,
  };
}

const send = ['offer a1 0', kick(tx), 'taken a1 a'];
/** A plain frame behind them, which is the neighbour's next one: nothing has come of those before. */
const nothingCame = [
  `bytes ma ${hex(bufferAt(tx, 40))} ${'00'.repeat(headerBytes)}`,
  writeFrame(40),
  goodBuffer({ queue: tx }, 40),
  'offer a1 40',
  kick(tx),
  'taken a1 a',
  'taken n0 n 15',
  `compare mn ${hex(bufferAt(0, 0) + headerBytes)} ${frame({ destination: neighbourMac, source: attackerMac })}`,
];
/** So many segments came, of which each has these bytes of headers; both sums are made by the switch. */
const came = (count: number): string[] => [
  `taken n0 n ${16 - count}`,
  ...Array.from(
    { length: count },
    (_, index) =>
      `compare mn ${hex(bufferAt(0, index) + headerBytes)} ${mac(neighbourMac)}${mac(attackerMac)}080045`,
  ),
];

const mss = 1400;
const whole: readonly HostileCase[] = [
  segment({
    id: 'good',
    about: 'ten segments, which all arrive',
    words: { length: headers + 10 * mss, gsoSize: mss },
    steps: [...send, ...came(10)],
  }),
  segment({
    id: 'longest',
    about: 'the longest frame, for most of whose segments the neighbour has no buffer',
    words: { length: longest, gsoSize: mss },
    steps: [...send, ...came(16)],
  }),
  segment({
    id: 'longest-a-thousand-times',
    about: 'the longest frame a thousand times over',
    words: { length: longest, gsoSize: mss },
    steps: ['traffic a a1 ka1 1000 1'],
  }),
  segment({
    id: 'as-many-as-there-may-be',
    about: 'the longest frame in 256 segments, the most there may be',
    words: { length: longest, gsoSize: 256 },
    steps: [...send, ...came(16)],
  }),
  segment({
    id: 'whole-to-one-who-takes-it',
    about: 'a frame to a neighbour that segments by itself: it comes as one, in several buffers',
    words: { length: headers + 10 * mss, gsoSize: mss },
    takes: feature.guestCsum | feature.guestTso4 | feature.mergeable,
    steps: [...send, ...came(1)],
  }),
];

/** None of them is delivered, nor any part of it. */
const refused = (
  [
    ['segments-of-one', 'the longest frame in segments of one byte', { length: longest, gsoSize: 1 }],
    ['one-segment-too-many', 'the longest frame in 257 segments', { length: longest, gsoSize: 255 }],
    ['longer-than-ip', 'a frame longer than any IP packet', { length: longest + 64, gsoSize: mss }],
    ['above-the-mtu', 'segments longer than the MTU of the port', { length: longest, gsoSize: 1465 }],
    [
      'largest-segments',
      'segments of 65535 bytes in a frame of two',
      { length: headers + 65_000, gsoSize: 64_999 },
    ],
    ['no-data', 'a frame of headers only', { length: headers, gsoSize: mss }],
    ['short-ip-header', 'an IP header of four words', { length: longest, gsoSize: mss, version: 0x44 }],
    ['ip-version-6', 'IPv6 where IPv4 was said', { length: longest, gsoSize: mss, version: 0x65 }],
    [
      'long-ip-header',
      'an IP header of fifteen words, the TCP header elsewhere',
      { length: longest, gsoSize: mss, version: 0x4f },
    ],
    ['short-tcp-header', 'a TCP header of four words', { length: longest, gsoSize: mss, tcpWords: 4 }],
    [
      'tcp-header-beyond',
      'a TCP header longer than the frame',
      { length: headers + 20, gsoSize: 1, tcpWords: 15 },
    ],
    ['fragment', 'a fragment', { length: longest, gsoSize: mss, fragment: 0x2000 }],
    ['last-fragment', 'the last fragment of a packet', { length: longest, gsoSize: mss, fragment: 0x0001 }],
    ['udp', 'UDP where TCP was said', { length: longest, gsoSize: mss, protocol: 17 }],
    [
      'checksum-elsewhere',
      'a sum that starts in the IP header',
      { length: longest, gsoSize: mss, start: ip },
    ],
    [
      'headers-beyond',
      'a length of headers beyond the frame',
      { length: 1000, gsoSize: 100, headerLength: 1001 },
    ],
  ] as const satisfies readonly (readonly [string, string, Words])[]
).map(([id, about, words]) => segment({ id, about, words, steps: [...send, ...nothingCame] }));

/** Frames whose headers another thread rewrites while they are judged, copied and cut. */
const frames = 400;
const at = (offset: number): number => bufferAt(tx, 0) + offset;
const inFrame = (offset: number): number => at(headerBytes + offset);
const races = (
  [
    ['checksum-start', 'where the sum starts', at(6), 2, tcp, 0xffff],
    ['checksum-offset', 'where the sum is stored', at(8), 2, 16, 0xffff],
    ['kind', 'the kind of segmentation, TCP over IPv4 and over IPv6', at(1), 1, 1, 4],
    ['needs-checksum', 'whether a sum is to be made', at(0), 1, 1, 0],
    ['segment-size', 'the size of segments, 1400 and 1', at(4), 2, mss, 1],
    ['header-length', 'the length of headers', at(2), 2, headers, 0xffff],
    ['whole-header', 'eight bytes of the header', at(0), 8, 0x0022_0578_0036_0101n, 0xffff_ffff_ffff_ffffn],
    ['ip-length', 'the length that IP tells', inFrame(ip + 2), 2, 0xffff, 0],
    ['ip-version', 'version and length of the IP header', inFrame(ip), 1, 0x45, 0x4f],
    ['ip-protocol', 'the protocol behind IP', inFrame(ip + 9), 1, 6, 17],
    ['ethernet-type', 'the type of the frame, IPv4 and a VLAN tag', inFrame(12), 2, 0x0008, 0x0081],
    ['tcp-words', 'the length of the TCP header', inFrame(tcp + 12), 1, 0x50, 0xf0],
    ['data', 'data under the sum', inFrame(headers + 8), 8, 0n, 0xffff_ffff_ffff_ffffn],
    [
      'descriptor-length',
      'the length of the descriptor',
      0x1000 + 8,
      4,
      headerBytes + longest,
      headerBytes + 20,
    ],
  ] as const
).flatMap(([id, about, offset, width, first, second]) =>
  ([0n, feature.guestCsum | feature.guestTso4 | feature.mergeable] as const).map((takes) =>
    segment({
      id: `race-${id}${takes === 0n ? '' : '-to-one-who-takes-it'}`,
      about: `the longest frame while another thread rewrites ${about}${takes === 0n ? '' : ', to a neighbour that segments by itself'}`,
      words: { length: longest, gsoSize: mss },
      takes,
      steps: [
        `flip ma ${hex(offset)} ${width} ${hex(first)} ${hex(second)}`,
        `traffic a a1 ka1 ${frames} 1`,
        'calm',
      ],
    }),
  ),
);

export const segmentCases: readonly HostileCase[] = [...whole, ...refused, ...races];
