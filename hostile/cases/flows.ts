// SPDX-License-Identifier: Apache-2.0
//
// Class `flow`: frames to a port with eight receive queues, which is chosen by headers that end early, lie or change.

import { type HostileCase, stays } from '../case.ts';
import {
  attackerMac,
  bufferAt,
  goodBuffer,
  handshake,
  headerBytes,
  hex,
  mostPairs,
  neighbour,
  neighbourMac,
  tx,
} from '../front-end.ts';
import { feature, mac, protocol } from '../wire.ts';

/** Of the frame in the first transmit buffer. */
const inFrame = (offset: number): number => bufferAt(tx, 0) + headerBytes + offset;
const ip = 14;

const everything = 'ff'.repeat(120);
/** What stands behind the two addresses, and how long the frame is. */
const shortened: readonly (readonly [
  id: string,
  about: string,
  content: string,
  lengths: readonly number[],
])[] = [
  ['no-type', 'frames that end before, in and behind their type', '0800', [14, 15, 16]],
  [
    'ipv4-cut',
    'IPv4 that ends in its header',
    `080045${'00'.repeat(8)}06${everything}`,
    [15, 33, 34, 37, 38],
  ],
  ['ipv4-no-words', 'an IPv4 header of no words', `080040${'00'.repeat(8)}06${everything}`, [34, 38, 60]],
  [
    'ipv4-options',
    'an IPv4 header of fifteen words whose ports are cut off',
    `08004f${'00'.repeat(8)}06${everything}`,
    [34, 73, 74, 75, 77, 78],
  ],
  [
    'ipv4-options-only',
    'an IPv4 header longer than the frame',
    `08004f${'00'.repeat(8)}11${everything}`,
    [34, 54, 60],
  ],
  ['ipv4-fragment', 'fragments without ports', `080045${'00'.repeat(5)}20010006${everything}`, [34, 60]],
  [
    'ipv6-cut',
    'IPv6 that ends in its header',
    `86dd60${'00'.repeat(5)}06${everything}`,
    [15, 53, 54, 57, 58],
  ],
  ['vlan-cut', 'a VLAN tag behind which nothing comes', '81000001', [14, 16, 17, 18]],
  ['vlan-twice', 'a VLAN tag behind a VLAN tag', `8100000181000002080045${everything}`, [18, 22, 60]],
  [
    'vlan-ipv4-options',
    'tagged IPv4 with all options, cut at the end of what is looked at',
    `8100000108004f${'00'.repeat(8)}06${everything}`,
    [77, 78, 81, 82, 83],
  ],
  ['everything', 'nothing but ones', everything, [14, 60, 82, 100]],
];
const many = { features: feature.mq, pairs: mostPairs } as const;
const addresses = mac(neighbourMac) + mac(attackerMac);

const flows = shortened.map(
  ([id, about, content, lengths]): HostileCase => ({
    id: `flow/${id}`,
    about,
    script: [
      ...neighbour(many),
      ...handshake(),
      ...lengths.flatMap((length, index) => [
        `bytes ma ${hex(bufferAt(tx, index) + headerBytes)} ${addresses}${content}`,
        goodBuffer({ queue: tx }, index, headerBytes + length),
      ]),
      `traffic a a1 ka1 ${8 * lengths.length} ${lengths.length}`,
      'alive a',
      'alive n',
    ],
    expect: stays,
    needs: feature.mq,
    needsProtocol: protocol.mq,
  }),
);

const flowRaces = (
  [
    ['type', 'its type, IPv4 and IPv6', 12, 2, 0x0008, 0xdd86],
    ['words', 'the length of its IP header', ip, 1, 0x40, 0x4f],
    ['protocol', 'its protocol', ip + 9, 1, 6, 0xff],
    [
      'addresses',
      'its addresses, so that it belongs to two flows at once',
      ip + 12,
      8,
      0n,
      0xffff_ffff_ffff_ffffn,
    ],
  ] as const
).map(
  ([id, about, offset, width, first, second]): HostileCase => ({
    id: `flow/race-${id}`,
    about: `a frame to eight queues while another thread rewrites ${about}`,
    script: [
      ...neighbour(many),
      ...handshake(),
      `bytes ma ${hex(inFrame(0))} ${addresses}08004f${'00'.repeat(8)}06${everything}`,
      goodBuffer({ queue: tx }, 0, headerBytes + 64),
      `flip ma ${hex(inFrame(offset))} ${width} ${hex(first)} ${hex(second)}`,
      'traffic a a1 ka1 2000 1',
      'calm',
      'alive a',
      'alive n',
    ],
    expect: stays,
    needs: feature.mq,
    needsProtocol: protocol.mq,
  }),
);

export const flowCases: readonly HostileCase[] = [...flows, ...flowRaces];
