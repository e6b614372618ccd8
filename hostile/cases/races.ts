// SPDX-License-Identifier: Apache-2.0
//
// Class `race`: words that a second thread rewrites while the switch reads them. Whatever it sees, it sees once: the port
// lives or ends by the rule that the value broke.

import { type EndCode, either, type HostileCase, stays } from '../case.ts';
import {
  areas,
  bufferAt,
  goodBuffer,
  goodFrames,
  guest,
  handshake,
  headerBytes,
  hex,
  neighbour,
  neighbourSends,
  rx,
  tablesAt,
  tx,
} from '../front-end.ts';
import { descriptor, descriptorFlags, feature } from '../wire.ts';

const frames = 2000;
const outside = 0x1000n;
const { write, next: more, indirect } = descriptorFlags;

interface Flip {
  readonly id: string;
  readonly about: string;
  readonly offset: number;
  readonly width: 1 | 2 | 4 | 8;
  readonly values: readonly [bigint | number, bigint | number];
  readonly codes?: readonly EndCode[];
  /** Frames that are sent meanwhile. Default 2000. */
  readonly count?: number;
}

const flipStep = ({ offset, width, values: [first, second] }: Flip): string =>
  `flip ma ${hex(offset)} ${width} ${hex(first)} ${hex(second)}`;

/** The attacker sends while the word changes. */
function whileSending(flip: Flip): HostileCase {
  const { id, about, codes = ['USV_RING'], count = frames } = flip;
  return {
    id: `race/transmit-${id}`,
    about,
    script: [
      ...handshake(),
      ...goodFrames(16),
      flipStep(flip),
      `traffic a a1 ka1 ${count} 16`,
      'calm',
      'settle a',
    ],
    expect: either(...codes),
  };
}

/** The neighbour sends to the attacker while the word changes; buffers come back to the ring as they are used. */
function whileReceiving(flip: Flip): HostileCase {
  const { id, about, codes = ['USV_RING'] } = flip;
  return {
    id: `race/receive-${id}`,
    about,
    script: [
      ...neighbour(),
      ...handshake(),
      ...[0, 1, 2, 3].map((index) => goodBuffer({ queue: rx }, index)),
      ...Array.from({ length: 64 }, (_, index) => `offer a0 ${index % 4}`),
      flipStep(flip),
      ...neighbourSends(frames),
      'calm',
      'settle a',
      'alive n',
    ],
    expect: either(...codes),
  };
}

const good = guest(bufferAt(tx, 0));
const txDesc = areas[tx].desc;
const rxDesc = areas[rx].desc;
const header = bufferAt(tx, 0);
const first8 = header + headerBytes;

export const raceCases: readonly HostileCase[] = [
  whileSending({
    id: 'address',
    about: 'the address of a descriptor, inside and outside',
    offset: txDesc,
    width: 8,
    values: [good, outside],
  }),
  whileSending({
    id: 'length',
    about: 'the length of a descriptor, good and largest',
    offset: txDesc + 8,
    width: 4,
    values: [72, 0xffff_ffff],
  }),
  whileSending({
    id: 'length-below-header',
    about: 'the length of a descriptor, good and shorter than the header',
    offset: txDesc + 8,
    width: 4,
    values: [72, 3],
  }),
  whileSending({
    id: 'flags',
    about: 'the flags of a descriptor, none and all',
    offset: txDesc + 12,
    width: 2,
    values: [0, 0xffff],
  }),
  whileSending({
    id: 'next',
    about: 'a descriptor that follows itself now and then',
    offset: txDesc + 12,
    width: 4,
    values: [0, more],
  }),
  whileSending({
    id: 'length-and-flags',
    about: 'length, flags and next of a descriptor in one word',
    offset: txDesc + 8,
    width: 8,
    values: [72n, 0xffff_0001_ffff_ffffn],
  }),
  whileSending({
    id: 'entry',
    about: 'an avail entry, good and beyond the table',
    offset: areas[tx].avail + 4,
    width: 2,
    values: [0, 0xffff],
  }),
  {
    id: 'race/transmit-used-index',
    about: "the device's used index, which is of no use to the device itself",
    script: [
      ...handshake(),
      ...goodFrames(1),
      `flip ma ${hex(areas[tx].used + 2)} 2 0 0x8000`,
      // No more than the ring has, since nobody can tell any more what came back.
      'repeat 60',
      'offer a1 0',
      'signal ka1',
      'end',
      'alive a',
      'calm',
    ],
    expect: stays,
  },
  whileSending({
    id: 'avail-flags',
    about: 'the wish for calls',
    offset: areas[tx].avail,
    width: 2,
    values: [0, 1],
  }),
  whileSending({
    id: 'source',
    about: "the source address of a frame, the attacker's and a canary's",
    offset: first8 + 6,
    width: 8,
    values: [0x88b5_0166_6666_6602n, 0x88b5_ca00_0000_0002n],
  }),
  whileSending({
    id: 'destination',
    about: "the destination of a frame, the neighbour's and everybody's",
    offset: first8,
    width: 4,
    values: [0x0000_0002, 0xffff_ffff],
    // To everybody means to the canaries too, which must not be flooded.
    count: 100,
  }),
  whileSending({
    id: 'header',
    about: 'flags, kind and sizes of the header before a frame',
    offset: header,
    width: 8,
    values: [0n, 0xffff_ffff_ffff_ffffn],
  }),
  whileReceiving({
    id: 'address',
    about: 'the address of a receive buffer, inside and outside',
    offset: rxDesc,
    width: 8,
    values: [guest(bufferAt(rx, 0)), outside],
  }),
  whileReceiving({
    id: 'length',
    about: 'the length of a receive buffer, good and largest',
    offset: rxDesc + 8,
    width: 4,
    values: [2048, 0xffff_ffff],
  }),
  whileReceiving({
    id: 'small',
    about: 'the length of a receive buffer, good and three bytes',
    offset: rxDesc + 8,
    width: 4,
    values: [2048, 3],
  }),
  whileReceiving({
    id: 'flags',
    about: 'the flags of a receive buffer, writable and all',
    offset: rxDesc + 12,
    width: 2,
    values: [write, 0xffff],
  }),
  whileReceiving({
    id: 'index',
    about: 'the avail index of the receive queue',
    offset: areas[rx].avail + 2,
    width: 2,
    values: [64, 0],
  }),
  {
    id: 'race/indirect-table',
    about: 'the address in an indirect table, inside and outside',
    script: [
      ...handshake({ features: feature.indirect }),
      ...goodFrames(4),
      `bytes ma ${hex(tablesAt)} ${descriptor({ address: good, length: 72 })}`,
      `bytes ma ${hex(txDesc)} ${descriptor({ address: guest(tablesAt), length: 16, flags: indirect })}`,
      `flip ma ${hex(tablesAt)} 8 ${hex(good)} ${hex(outside)}`,
      `traffic a a1 ka1 ${frames} 4`,
      'calm',
      'settle a',
    ],
    expect: either('USV_RING'),
    needs: feature.indirect,
  },
];
