// SPDX-License-Identifier: Apache-2.0
//
// Classes `avail`, `head` and `chain`: a split ring with values that no driver can have written. On the receive queue the
// neighbour sends, so that the switch looks for buffers there.

import { type Expectation, either, ends, type HostileCase, stays } from '../case.ts';
import {
  areas,
  bufferAt,
  describe,
  goodBuffer,
  goodFrames,
  guest,
  handshake,
  headerBytes,
  hex,
  kick,
  memorySize,
  neighbour,
  neighbourSends,
  type Queue,
  queueSize,
  rx,
  setAvail,
  tx,
  writeFrame,
} from '../front-end.ts';
import { type Descriptor, descriptorFlags } from '../wire.ts';

const { next: more, write } = descriptorFlags;
const top = 1n << 64n;

interface Words {
  readonly id: string;
  readonly about: string;
  readonly queue: Queue;
  readonly steps: readonly string[];
  readonly expect: Expectation;
}

/** The steps upon rings that run, then whatever makes the switch look at the queue. */
export function onRing({ id, about, queue, steps, expect }: Words): HostileCase {
  const last = expect.kind === 'ends' ? 'closed a' : 'settle a';
  const script =
    queue === tx
      ? [...handshake(), ...steps, kick(tx), last]
      : [...neighbour(), ...handshake(), ...steps, ...neighbourSends(1), last, 'alive n'];
  return { id, about, script, expect };
}

const queueName = (queue: Queue): string => (queue === tx ? 'transmit' : 'receive');

const jumps = ([tx, rx] as const).flatMap((queue) =>
  [queueSize + 1, 0x100, 0x7fff, 0x8000, 0xffff].map((index) =>
    onRing({
      id: `avail/${queueName(queue)}-to-${hex(index)}`,
      about: `an avail index that jumps from 0 to ${hex(index)} on the ${queueName(queue)} queue`,
      queue,
      steps: [setAvail(queue, index)],
      expect: ends('USV_RING', 'avail entries'),
    }),
  ),
);

const moves: readonly HostileCase[] = [
  {
    id: 'avail/goes-back',
    about: 'an avail index that goes back by one after a frame was taken',
    script: [
      ...handshake(),
      ...goodFrames(1),
      'offer a1 0',
      kick(tx),
      'taken a1 a',
      setAvail(tx, 0),
      kick(tx),
      'closed a',
    ],
    expect: ends('USV_RING', 'avail entries'),
  },
  {
    id: 'avail/whole-ring-at-once',
    about: 'as many entries as the queue has, all at once, which is allowed',
    script: [
      ...handshake(),
      ...goodFrames(16),
      ...Array.from({ length: queueSize }, (_, index) => `offer a1 ${index % 16}`),
      kick(tx),
      'taken a1 a',
      'alive a',
    ],
    expect: stays,
  },
  onRing({
    id: 'avail/jump-without-kick-then-back',
    about: 'an avail index that jumps and goes back before the kick',
    queue: tx,
    steps: [setAvail(tx, 0x8000), setAvail(tx, 0)],
    expect: either('USV_RING'),
  }),
  {
    id: 'avail/used-index-overwritten',
    about: "the device's own used index overwritten while it works",
    script: [
      ...handshake(),
      ...goodFrames(4),
      `store ma ${hex(areas[tx].used + 2)} 2 0x7777`,
      'offer a1 0',
      kick(tx),
      'taken a1 a',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'avail/flags-garbage',
    about: 'all bits of the avail flags',
    script: [
      ...handshake(),
      ...goodFrames(4),
      `store ma ${hex(areas[tx].avail)} 2 0xffff`,
      'offer a1 0',
      kick(tx),
      'taken a1 a',
      'alive a',
    ],
    expect: stays,
  },
];

const heads = ([tx, rx] as const).flatMap((queue) =>
  [queueSize, queueSize + 1, 0x4000, 0x8000, 0xffff].map((head) =>
    onRing({
      id: `head/${queueName(queue)}-${hex(head)}`,
      about: `an avail entry that names descriptor ${hex(head)} of ${queueSize} on the ${queueName(queue)} queue`,
      queue,
      steps: [`offer a${queue} ${head}`],
      expect: ends('USV_RING', 'avail entry'),
    }),
  ),
);

const moreHeads: readonly HostileCase[] = [
  onRing({
    id: 'head/bad-behind-good',
    about: 'a good frame and behind it an entry beyond the table',
    queue: tx,
    steps: [...goodFrames(1), 'offer a1 0', 'offer a1 0xffff'],
    expect: ends('USV_RING', 'avail entry'),
  }),
  {
    id: 'head/same-one-for-all',
    about: 'one descriptor in every entry of the ring',
    script: [
      ...handshake(),
      ...goodFrames(1),
      ...Array.from({ length: queueSize }, () => 'offer a1 0'),
      kick(tx),
      'taken a1 a',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'head/same-receive-buffer-for-all',
    about: 'one receive buffer in every entry of the ring',
    script: [
      ...neighbour(),
      ...handshake(),
      goodBuffer({ queue: rx }, 0),
      ...Array.from({ length: queueSize }, () => 'offer a0 0'),
      ...neighbourSends(32),
      'alive a',
      'alive n',
    ],
    expect: stays,
  },
];

const at = (queue: Queue, index = 0): bigint => guest(bufferAt(queue, index));

/** One chain that begins with descriptor 0. */
function chain(
  id: string,
  queue: Queue,
  words: { about: string; descriptors: readonly Descriptor[]; expect: Expectation },
): HostileCase {
  const { about, descriptors, expect } = words;
  const steps = [...descriptors.map((each, index) => describe({ queue }, index, each)), `offer a${queue} 0`];
  return onRing({ id: `chain/${id}`, about, queue, steps, expect });
}

const bothWays = ([tx, rx] as const).flatMap((queue) => {
  const name = queueName(queue);
  const way = queue === rx ? write : 0;
  const wrong = queue === rx ? 0 : write;
  const piece = { address: at(queue), length: 16 };
  const last = BigInt(memorySize);
  const address = ends('USV_RING', 'shared memory');
  return [
    chain(`${name}-self-loop`, queue, {
      about: 'a descriptor that follows itself',
      descriptors: [{ ...piece, flags: way | more, next: 0 }],
      expect: ends('USV_RING', 'loop'),
    }),
    chain(`${name}-two-loop`, queue, {
      about: 'two descriptors that follow one another',
      descriptors: [
        { ...piece, flags: way | more, next: 1 },
        { ...piece, flags: way | more, next: 0 },
      ],
      expect: ends('USV_RING', 'loop'),
    }),
    chain(`${name}-empty-loop`, queue, {
      about: 'descriptors of no bytes that follow one another',
      descriptors: [
        { ...piece, length: 0, flags: way | more, next: 1 },
        { ...piece, length: 0, flags: way | more, next: 0 },
      ],
      expect: ends('USV_RING', 'loop'),
    }),
    ...[queueSize, 0x7fff, 0xffff].map((next) =>
      chain(`${name}-next-${hex(next)}`, queue, {
        about: `a next index ${hex(next)}`,
        descriptors: [{ ...piece, flags: way | more, next }],
        expect: ends('USV_RING', 'next descriptor'),
      }),
    ),
    chain(`${name}-wrong-direction`, queue, {
      about: `a descriptor of the other direction on the ${name} queue`,
      descriptors: [{ ...piece, length: 256, flags: wrong }],
      expect: ends('USV_RING', 'direction'),
    }),
    chain(`${name}-both-directions`, queue, {
      about: 'a chain that changes its direction',
      descriptors: [
        { ...piece, flags: way | more, next: 1 },
        { ...piece, flags: wrong },
      ],
      expect: ends('USV_RING', 'direction'),
    }),
    ...(
      [
        ['null', 0n, 64],
        ['low', 0x1000n, 64],
        ['user-address', 0x7fff_0000_0000n, 64],
        ['one-byte-before', guest(0) - 1n, 64],
        ['one-byte-beyond', guest(0) + last - 64n, 65],
        ['behind', guest(0) + last, 64],
        ['length-largest', at(queue), 0xffff_ffff],
        ['length-half', at(queue), 0x8000_0000],
        ['wraps', top - 8n, 16],
        ['last-byte-of-64-bits', top - 1n, 64],
      ] as const
    ).map(([what, where, length]) =>
      chain(`${name}-address-${what}`, queue, {
        about: `${length} bytes at ${hex(where)}`,
        descriptors: [{ address: where, length, flags: way }],
        expect: address,
      }),
    ),
    chain(`${name}-second-piece-outside`, queue, {
      about: 'a good piece, and then one outside',
      descriptors: [
        { ...piece, flags: way | more, next: 1 },
        { address: 0x1000n, length: 64, flags: way },
      ],
      expect: address,
    }),
  ];
});

/** Frames that are cut into pieces or are none; nothing here is forbidden, and nobody may stumble over it. */
function pieces(id: string, about: string, lengths: readonly number[]): HostileCase {
  let offset = 0;
  const descriptors = lengths.map((length, index) => {
    const value = {
      address: at(tx) + BigInt(offset),
      length,
      flags: index + 1 < lengths.length ? more : 0,
      next: index + 1,
    };
    offset += length;
    return describe({ queue: tx }, index, value);
  });
  return {
    id: `chain/${id}`,
    about,
    script: [...handshake(), writeFrame(0), ...descriptors, 'offer a1 0', kick(tx), 'taken a1 a', 'alive a'],
    expect: stays,
  };
}
const ones = (count: number): number[] => Array.from({ length: count }, () => 1);

const cut: readonly HostileCase[] = [
  ...[0, 1, 11, 12, 13, 25, 26].map((length) =>
    pieces(`total-${length}`, `a chain of ${length} bytes, header included`, [length]),
  ),
  pieces('header-in-twelve', 'a header in twelve pieces of one byte', [...ones(headerBytes), 60]),
  pieces('header-and-address-in-pieces', 'header and addresses in pieces of one byte', [...ones(26), 46]),
  pieces('header-1-10-1', 'a header in pieces of 1, 10 and 1 bytes', [1, 10, 1, 60]),
  pieces('header-and-a-half', 'a piece that ends in the middle of the address', [15, 57]),
  pieces(
    'empty-pieces-between',
    'pieces of no bytes before, in and behind the frame',
    [0, 12, 0, 0, 30, 0, 30, 0],
  ),
  pieces(
    'all-empty',
    'as many descriptors of no bytes as the queue has',
    Array.from({ length: queueSize }, () => 0),
  ),
  pieces('whole-queue', 'a frame in as many pieces as the queue has', [12, ...ones(queueSize - 1)]),
  {
    ...onRing({
      id: 'chain/reserved-flags',
      about: 'all the flag bits that have no meaning',
      queue: tx,
      steps: [
        ...goodFrames(1),
        describe({ queue: tx }, 0, { address: at(tx), length: 72, flags: 0xfff8 }),
        'offer a1 0',
      ],
      expect: either('USV_RING'),
    }),
  },
  {
    id: 'chain/receive-buffers-of-no-bytes',
    about: 'receive buffers of 0 to 11 bytes, smaller than a header',
    script: [
      ...neighbour(),
      ...handshake(),
      ...Array.from({ length: 12 }, (_, index) => [
        goodBuffer({ queue: rx }, index, index),
        `offer a0 ${index}`,
      ]).flat(),
      ...neighbourSends(32),
      'alive a',
      'alive n',
    ],
    expect: stays,
  },
  {
    id: 'chain/receive-buffer-is-the-ring',
    about: "receive buffers that lie upon the attacker's own descriptors and avail entries",
    script: [
      ...neighbour(),
      ...handshake(),
      ...Array.from({ length: 4 }, (_, index) => [
        describe({ queue: rx }, index, { address: guest(0), length: 2048, flags: write }),
        `offer a0 ${index}`,
      ]).flat(),
      ...neighbourSends(32),
      'settle a',
      'alive n',
    ],
    expect: either('USV_RING'),
  },
];

export const ringCases: readonly HostileCase[] = [
  ...jumps,
  ...moves,
  ...heads,
  ...moreHeads,
  ...bothWays,
  ...cut,
];
