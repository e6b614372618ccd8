// SPDX-License-Identifier: Apache-2.0
//
// Class `merge`: receive buffers of which several make one frame (virtio 1.2, 5.1.6.4). Class `event`: notifications by index
// (2.7.10), with indices that are anything but where the rings are.

import { type Expectation, either, ends, type HostileCase, stays } from '../case.ts';
import {
  areas,
  attackerMac,
  bufferAt,
  describe,
  goodBuffer,
  goodFrames,
  guest,
  handshake,
  headerBytes,
  hex,
  kick,
  neighbour,
  neighbourMac,
  queueSize,
  rx,
  setAvail,
  tx,
  writeFrame,
} from '../front-end.ts';
import { type Descriptor, descriptorFlags, feature } from '../wire.ts';

const { next: more, write } = descriptorFlags;
const frameLength = 1500;

interface Words {
  readonly id: string;
  readonly about: string;
  /** Descriptor `index` of the receive queue. Default: a buffer of 256 bytes. */
  readonly buffer?: (index: number) => Descriptor;
  /** How many are offered. Default 64. */
  readonly offered?: number;
  readonly steps?: readonly string[];
  readonly expect: Expectation;
}

const piece = (index: number, length: number): Descriptor => ({
  address: guest(bufferAt(rx, index % 16)),
  length,
  flags: write,
});

/** The neighbour sends long frames, each of which needs several of the attacker's buffers. */
function merge(words: Words): HostileCase {
  const { id, about, buffer = (index) => piece(index, 256), offered = queueSize, steps = [], expect } = words;
  return {
    id: `merge/${id}`,
    about,
    script: [
      ...neighbour(),
      ...handshake({ features: feature.mergeable }),
      ...Array.from({ length: queueSize }, (_, index) => describe({ queue: rx }, index, buffer(index))),
      ...Array.from({ length: offered }, (_, index) => `offer a0 ${index}`),
      ...steps,
      writeFrame(0, { destination: attackerMac, source: neighbourMac, length: frameLength }, 'n'),
      goodBuffer({ peer: 'n', queue: tx }, 0, headerBytes + frameLength),
      'traffic n n1 kn1 16 1',
      expect.kind === 'ends' ? 'closed a' : 'settle a',
      'alive n',
    ],
    expect,
    needs: feature.mergeable,
  };
}

const merged: readonly HostileCase[] = [
  merge({ id: 'good', about: 'frames over six buffers each', expect: stays }),
  ...[1, 11, 12, 13].map((length) =>
    merge({
      id: `buffers-of-${length}`,
      about: `buffers of ${length} bytes, some of them too small for a header`,
      buffer: (index) => piece(index, length),
      expect: either('USV_RING'),
    }),
  ),
  merge({
    id: 'buffers-of-nothing',
    about: 'buffers of no bytes',
    buffer: (index) => piece(index, 0),
    expect: either('USV_RING'),
  }),
  merge({ id: 'too-few', about: 'fewer buffers than the frame needs', offered: 3, expect: stays }),
  merge({
    id: 'bad-behind-good',
    about: 'good buffers, and one outside the memory in the middle of the frame',
    buffer: (index) => (index === 3 ? { ...piece(index, 256), address: 0x1000n } : piece(index, 256)),
    expect: ends('USV_RING'),
  }),
  merge({
    id: 'head-beyond-behind-good',
    about: 'good buffers, and an entry beyond the table in the middle of the frame',
    steps: [`store ma ${hex(areas[rx].avail + 4 + 2 * 3)} 2 0xffff`],
    expect: ends('USV_RING'),
  }),
  merge({
    id: 'readable-behind-good',
    about: 'good buffers, and a readable one in the middle of the frame',
    buffer: (index) => ({ ...piece(index, 256), flags: index === 3 ? 0 : write }),
    expect: ends('USV_RING'),
  }),
  merge({
    id: 'loop-behind-good',
    about: 'good buffers, and a loop in the middle of the frame',
    buffer: (index) =>
      index === 3 ? { ...piece(index, 8), flags: write | more, next: 3 } : piece(index, 256),
    expect: ends('USV_RING'),
  }),
  merge({
    id: 'same-buffer',
    about: 'one buffer in all entries, so that each part of a frame is written over the one before',
    buffer: () => piece(0, 256),
    expect: stays,
  }),
  merge({
    id: 'jump',
    about: 'an index that jumps while a frame needs many buffers',
    steps: [setAvail(rx, 0x4000)],
    expect: ends('USV_RING'),
  }),
  merge({
    id: 'flipped-length',
    about: 'a buffer whose length changes between a part of a frame and a whole one',
    steps: [`flip ma ${hex(areas[rx].desc + 8)} 4 256 0xffffffff`],
    expect: either('USV_RING'),
  }),
];

/** used_event is the last word of the avail ring, avail_event that of the used ring. */
const usedEvent = areas[tx].avail + 4 + 2 * queueSize;
const availEvent = areas[tx].used + 4 + 8 * queueSize;

function event(id: string, about: string, steps: readonly string[]): HostileCase {
  return {
    id: `event/${id}`,
    about,
    script: [
      ...handshake({ features: feature.eventIdx }),
      ...goodFrames(8),
      ...steps,
      'traffic a a1 ka1 500 8',
      'calm',
      kick(tx),
      'alive a',
    ],
    expect: stays,
    needs: feature.eventIdx,
  };
}

const events: readonly HostileCase[] = [
  ...[0, 0x7fff, 0x8000, 0xffff].map((index) =>
    event(`used-event-${hex(index)}`, `a wish for a call at ${hex(index)}`, [
      `store ma ${hex(usedEvent)} 2 ${hex(index)}`,
    ]),
  ),
  event('used-event-flips', 'a wish for a call that changes all the time', [
    `flip ma ${hex(usedEvent)} 2 0 0x8000`,
  ]),
  event('avail-event-overwritten', "the device's wish for kicks overwritten all the time", [
    `flip ma ${hex(availEvent)} 2 0x1234 0xfedc`,
  ]),
];

export const mergeableCases: readonly HostileCase[] = [...merged, ...events];
