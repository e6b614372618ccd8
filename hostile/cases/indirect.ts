// SPDX-License-Identifier: Apache-2.0
//
// Class `indirect`: tables of descriptors elsewhere in the memory (virtio 1.2, 2.7.5.3), negotiated or not.

import { type Expectation, either, ends, type HostileCase } from '../case.ts';
import {
  bufferAt,
  describe,
  goodFrames,
  guest,
  handshake,
  hex,
  kick,
  memorySize,
  neighbour,
  neighbourSends,
  type Queue,
  queueSize,
  rx,
  tablesAt,
  tx,
} from '../front-end.ts';
import { type Descriptor, descriptor, descriptorFlags, feature } from '../wire.ts';

const { next: more, write, indirect } = descriptorFlags;
const good: Descriptor = { address: guest(bufferAt(tx, 0)), length: 72 };

interface Words {
  readonly id: string;
  readonly about: string;
  /** Descriptor 0 of the ring. */
  readonly first: Descriptor;
  /** What lies in the table. */
  readonly table?: readonly Descriptor[];
  readonly expect: Expectation;
  readonly queue?: Queue;
  /** Without the feature: the flag itself is the attack. */
  readonly negotiated?: boolean;
}

function table({
  id,
  about,
  first,
  table: entries = [],
  expect,
  queue = tx,
  negotiated = true,
}: Words): HostileCase {
  const steps = [
    ...(queue === rx ? neighbour() : []),
    ...handshake({ features: negotiated ? feature.indirect : 0n }),
    ...goodFrames(1),
    ...(entries.length === 0 ? [] : [`bytes ma ${hex(tablesAt)} ${entries.map(descriptor).join('')}`]),
    describe({ queue }, 0, first),
    `offer a${queue} 0`,
    ...(queue === rx ? neighbourSends(1) : [kick(tx)]),
    expect.kind === 'ends' ? 'closed a' : 'settle a',
    ...(queue === rx ? ['alive n'] : []),
  ];
  return {
    id: `indirect/${id}`,
    about,
    script: steps,
    expect,
    ...(negotiated ? { needs: feature.indirect } : {}),
  };
}

const tableOf = (length: number, flags: number = indirect): Descriptor => ({
  address: guest(tablesAt),
  length,
  flags,
});
const refused = ends('USV_RING');

const unasked: readonly HostileCase[] = [
  table({
    id: 'not-negotiated',
    about: 'an indirect table that was not negotiated',
    first: tableOf(16),
    table: [good],
    expect: refused,
    negotiated: false,
  }),
  table({
    id: 'not-negotiated-receive',
    about: 'the same on the receive queue',
    first: tableOf(16, indirect | write),
    table: [{ ...good, flags: write }],
    expect: refused,
    queue: rx,
    negotiated: false,
  }),
  table({
    id: 'not-negotiated-empty',
    about: 'the flag upon a descriptor of no bytes',
    first: tableOf(0),
    expect: refused,
    negotiated: false,
  }),
];

const lengths = [0, 1, 15, 17, 0x8000_0000, 0xffff_fff0].map((length) =>
  table({
    id: `length-${hex(length)}`,
    about: `a table of ${length} bytes`,
    first: tableOf(length),
    table: [good],
    expect: refused,
  }),
);

const contents: readonly HostileCase[] = [
  table({
    id: 'more-than-the-queue',
    about: 'a chain in the table that is longer than the queue',
    first: tableOf(16 * (queueSize + 1)),
    table: Array.from({ length: queueSize + 1 }, (_, index) => ({
      ...good,
      length: 1,
      flags: index < queueSize ? more : 0,
      next: index + 1,
    })),
    expect: refused,
  }),
  table({
    id: 'nested',
    about: 'a table in a table',
    first: tableOf(16),
    table: [tableOf(16)],
    expect: refused,
  }),
  table({
    id: 'with-next',
    about: 'a table and a next descriptor at once, which excludes one another',
    first: { ...tableOf(16, indirect | more), next: 1 },
    table: [good],
    expect: refused,
  }),
  table({
    id: 'self-loop',
    about: 'an entry that follows itself',
    first: tableOf(16),
    table: [{ ...good, flags: more, next: 0 }],
    expect: refused,
  }),
  table({
    id: 'two-loop',
    about: 'two entries that follow one another',
    first: tableOf(32),
    table: [
      { ...good, flags: more, next: 1 },
      { ...good, flags: more, next: 0 },
    ],
    expect: refused,
  }),
  table({
    id: 'next-beyond',
    about: 'a next index at the end of the table',
    first: tableOf(16),
    table: [{ ...good, flags: more, next: 1 }],
    expect: refused,
  }),
  table({
    id: 'next-largest',
    about: 'the largest next index',
    first: tableOf(16),
    table: [{ ...good, flags: more, next: 0xffff }],
    expect: refused,
  }),
  table({
    id: 'direction',
    about: 'a writable entry on the transmit queue',
    first: tableOf(16),
    table: [{ ...good, flags: write }],
    expect: refused,
  }),
  table({
    id: 'entry-outside',
    about: 'an entry whose buffer is not in the memory',
    first: tableOf(16),
    table: [{ address: 0x1000n, length: 64 }],
    expect: refused,
  }),
  table({
    id: 'table-outside',
    about: 'a table that is not in the memory',
    first: { address: 0x1000n, length: 16, flags: indirect },
    expect: refused,
  }),
  table({
    id: 'table-crosses-the-end',
    about: 'a table whose last entry is not in the memory',
    first: { address: guest(memorySize - 16), length: 32, flags: indirect },
    expect: refused,
  }),
  table({
    id: 'table-is-the-ring',
    about: 'a table that is the descriptor table of the ring',
    first: { address: guest(0x1000), length: 16 * queueSize, flags: indirect },
    expect: refused,
  }),
  table({
    id: 'table-misaligned',
    about: 'a table at an odd address',
    first: { address: guest(tablesAt + 1), length: 16, flags: indirect },
    table: [good],
    expect: either('USV_RING'),
  }),
];

export const indirectCases: readonly HostileCase[] = [...unasked, ...lengths, ...contents];
