// SPDX-License-Identifier: Apache-2.0
//
// Class `regions`: memory tables that wrap, overlap, lie about their file or about how many they are. Each is sent with the
// wish for an acknowledgement, which must say no, and each again without.

import { either, ends, type HostileCase, stays } from '../case.ts';
import { begin, guestBase, memorySize, negotiate, startQueue, tx, userBase } from '../front-end.ts';
import { flags, memoryTable, message, type Region } from '../wire.ts';

const top = 1n << 64n;
const size = BigInt(memorySize);
const good: Region = { guest: guestBase, size, user: userBase, offset: 0n };
const page = 4096n;
const part = (index: number): Region => ({
  guest: guestBase + BigInt(index) * page,
  user: userBase + BigInt(index) * page,
  size: page,
  offset: BigInt(index) * page,
});
const eight = Array.from({ length: 8 }, (_, index) => part(index));

/** Tables that no back-end may take. */
const bad: readonly (readonly [id: string, about: string, regions: readonly Region[]])[] = [
  ['empty', 'a region of no bytes', [{ ...good, size: 0n }]],
  ['guest-wraps', 'guest addresses beyond 64 bits', [{ ...good, guest: top - page }]],
  ['guest-wraps-by-one', 'guest addresses that end one byte beyond', [{ ...good, guest: top - size + 1n }]],
  ['user-wraps', 'user addresses beyond 64 bits', [{ ...good, user: top - page }]],
  ['offset-wraps', 'offset and size together beyond 64 bits', [{ ...good, offset: top - page }]],
  ['offset-is-largest', 'the largest offset', [{ ...good, offset: top - 1n }]],
  ['size-is-largest', 'the largest size', [{ ...good, size: top - 1n }]],
  ['size-is-half', 'a size of 2⁶³', [{ ...good, size: 1n << 63n }]],
  ['offset-is-negative', 'an offset that is negative as off_t', [{ ...good, offset: 1n << 63n, size: page }]],
  ['one-byte-beyond', 'a region one byte longer than its file', [{ ...good, size: size + 1n }]],
  ['page-beyond', 'a region one page longer than its file', [{ ...good, size: size + page }]],
  ['offset-beyond', 'an offset at the end of the file', [{ ...good, offset: size, size: page }]],
  ['offset-pushes-out', 'the size of the file, and an offset of a page', [{ ...good, offset: page }]],
  ['twice', 'the same region twice', [good, good]],
  [
    'guest-overlaps',
    'guest addresses that overlap in one byte',
    [
      { ...part(0), size: page },
      { ...part(1), guest: guestBase + page - 1n },
    ],
  ],
  [
    'user-overlaps',
    'user addresses that overlap in one byte',
    [part(0), { ...part(1), user: userBase + page - 1n }],
  ],
  ['inside-another', 'a region inside another one', [good, { ...part(3), offset: 0n }]],
  [
    'eighth-overlaps',
    'seven good regions and one over the first',
    [...eight.slice(0, 7), { ...part(7), guest: guestBase }],
  ],
  [
    'eighth-lies',
    'seven good regions and one beyond its file',
    [...eight.slice(0, 7), { ...part(7), offset: size }],
  ],
  [
    'eighth-is-empty',
    'seven good regions and one of no bytes',
    [...eight.slice(0, 7), { ...part(7), size: 0n }],
  ],
];

const files = (count: number): string => Array.from({ length: count }, () => 'ma').join(' ');
const table = (regions: readonly Region[], wish = 0): string =>
  `send a ${message('SET_MEM_TABLE', memoryTable(regions), { flags: flags.version1 | wish })} ${files(regions.length)}`;

const refused = bad.flatMap(([id, about, regions]): HostileCase[] => [
  {
    id: `regions/${id}`,
    about,
    script: [...begin(), ...negotiate(), table(regions), 'closed a'],
    expect: ends('USV_REGION'),
  },
  {
    id: `regions/${id}-acknowledged`,
    about: `${about}, with the wish for an answer, which must not be zero`,
    script: [...begin(), ...negotiate(), table(regions, flags.needReply), 'reply a refused', 'closed a'],
    expect: ends('USV_REGION'),
  },
]);

/** How many there are is what the message says, not what it holds. */
const counts = [0, 2, 9, 0xffff, 0xffff_ffff].map(
  (count): HostileCase => ({
    id: `regions/count-${count.toString(16)}`,
    about: `one region and its descriptor in a message that says ${count}`,
    script: [
      ...begin(),
      ...negotiate(),
      `send a ${message('SET_MEM_TABLE', memoryTable([good], count))} ma`,
      'closed a',
    ],
    expect: ends('USV_MESSAGE'),
  }),
);

const withRings: readonly HostileCase[] = [
  {
    id: 'regions/ring-over-two',
    about: 'a ring whose areas begin in one region and end in the next one of the same file',
    script: [
      ...begin(),
      ...negotiate(),
      table([
        { guest: guestBase, user: userBase, size: 0x1100n, offset: 0n },
        { guest: guestBase + 0x1100n, user: userBase + 0x1100n, size: size - 0x2000n, offset: 0x1100n },
      ]),
      ...startQueue(tx),
      'closed a',
    ],
    expect: ends('USV_REGION'),
  },
  {
    id: 'regions/odd-offset',
    about: 'an offset of one byte, by which every ring is misaligned once it is mapped',
    script: [
      ...begin(),
      ...negotiate(),
      table([{ ...good, offset: 1n, size: size - 1n }]),
      ...startQueue(tx),
      'closed a',
    ],
    expect: ends('USV_REGION'),
  },
  {
    id: 'regions/rings-elsewhere',
    about: 'rings at addresses of no region',
    script: [...begin(), ...negotiate(), table([part(40)]), ...startQueue(tx), 'closed a'],
    expect: ends('USV_REGION'),
  },
  {
    id: 'regions/taken-from-running-rings',
    about: 'a new table without the memory of rings that run',
    script: [
      ...begin(),
      ...negotiate(),
      table([good]),
      ...startQueue(tx),
      'alive a',
      table([part(40)]),
      'closed a',
    ],
    expect: ends('USV_REGION'),
  },
  {
    id: 'regions/highest-addresses',
    about: 'guest addresses that end with the last one of 64 bits',
    script: [...begin(), ...negotiate(), table([{ ...good, guest: top - size }]), 'settle a'],
    expect: either('USV_REGION'),
  },
  {
    id: 'regions/eight-of-one-file',
    about: 'eight pages of one file, the most there may be',
    script: [...begin(), ...negotiate(), table(eight, flags.needReply), 'reply a ok', 'alive a'],
    expect: stays,
  },
  {
    id: 'regions/one-page-eight-times',
    about: 'eight regions that are the same page of the file',
    script: [
      ...begin(),
      ...negotiate(),
      table(
        eight.map((each) => ({ ...each, offset: 0n })),
        flags.needReply,
      ),
      'reply a ok',
      'alive a',
    ],
    expect: stays,
  },
];

export const regionCases: readonly HostileCase[] = [...refused, ...counts, ...withRings];
