// SPDX-License-Identifier: Apache-2.0
//
// Class `vring`: sizes, indices, bases and addresses of queues that cannot be.

import { either, ends, type HostileCase, stays } from '../case.ts';
import {
  addressOf,
  areas,
  begin,
  handshake,
  hex,
  memorySize,
  names,
  negotiate,
  send,
  shareMemory,
  startQueue,
  tx,
  user,
  vringState,
} from '../front-end.ts';
import { type RequestName, type RingAddress, u64 } from '../wire.ts';

const top = 1n << 64n;
const ready = [...begin(), ...negotiate(), ...shareMemory()];

function refused(id: string, about: string, ...steps: readonly string[]): HostileCase {
  return {
    id: `vring/${id}`,
    about,
    script: [...ready, ...steps, 'closed a'],
    expect: ends('USV_MESSAGE'),
  };
}

const sizes = [0, 3, 63, 65, 32_767, 32_769, 65_535, 65_536, 0x1_0040, 0x8000_0040, 0xffff_ffff].map((size) =>
  refused(`size-${hex(size)}`, `a queue of ${size} entries`, send('SET_VRING_NUM', vringState(tx, size))),
);

/** None of them is a queue, though some are when only their low bits are looked at. */
const indices = [200, 0xff, 0x100, 0x101, 0x1_0000, 0x1_0001, 0x8000_0001, 0xffff_ffff];
const byIndex: readonly (readonly [RequestName, (index: number) => string])[] = [
  ['SET_VRING_NUM', (index) => vringState(index, 64)],
  ['SET_VRING_BASE', (index) => vringState(index, 0)],
  ['GET_VRING_BASE', (index) => vringState(index, 0)],
  ['SET_VRING_ENABLE', (index) => vringState(index, 1)],
  ['SET_VRING_ADDR', (index) => addressOf(tx, { index })],
];
const wrongIndices = byIndex.flatMap(([name, payload]) =>
  indices.map((index) =>
    refused(
      `${name.toLowerCase().replaceAll('_', '-')}-of-${hex(index)}`,
      `${name} of queue ${hex(index)}`,
      send(name, payload(index)),
    ),
  ),
);
const wrongFdIndices = [200, 0xff, 0x200, 0x1_0001, 0x8000_0000].flatMap((index) =>
  (['SET_VRING_KICK', 'SET_VRING_CALL'] as const).map((name) =>
    refused(
      `${name.toLowerCase().replaceAll('_', '-')}-of-${hex(index)}`,
      `${name} of ${hex(index)}`,
      send(name, u64(index), 'ka1'),
    ),
  ),
);

const values: readonly HostileCase[] = [
  refused('base-65536', 'a base above 16 bits', send('SET_VRING_BASE', vringState(tx, 0x1_0000))),
  refused('base-largest', 'the largest base', send('SET_VRING_BASE', vringState(tx, 0xffff_ffff))),
  refused('enable-2', 'a queue that is enabled with 2', send('SET_VRING_ENABLE', vringState(tx, 2))),
  refused(
    'enable-largest',
    'a queue enabled with 2³²-1',
    send('SET_VRING_ENABLE', vringState(tx, 0xffff_ffff)),
  ),
  refused('status-256', 'a device status above one byte', send('SET_STATUS', u64(0x100))),
  refused(
    'features-never-offered',
    'a feature bit that nobody offers',
    send('SET_FEATURES', u64((1n << 63n) | (1n << 32n))),
  ),
  refused('features-none', 'no feature at all, so no VERSION_1', send('SET_FEATURES', u64(0))),
  refused('features-all', 'every feature bit', send('SET_FEATURES', u64(top - 1n))),
  refused(
    'protocol-features-never-offered',
    'a protocol feature bit that nobody offers',
    send('SET_PROTOCOL_FEATURES', u64(1n << 62n)),
  ),
  refused(
    'protocol-features-all',
    'every protocol feature bit',
    send('SET_PROTOCOL_FEATURES', u64(top - 1n)),
  ),
];

/** SET_VRING_ADDR that is refused by what it says alone. */
const misaligned = (
  [
    ['desc', 1],
    ['desc', 8],
    ['avail', 1],
    ['used', 1],
    ['used', 2],
  ] as const
).map(([area, shift]) =>
  refused(
    `${area}-off-by-${shift}`,
    `the ${area} area ${shift} bytes off its alignment`,
    send('SET_VRING_ADDR', addressOf(tx, { [area]: user(areas[tx][area] + shift) })),
  ),
);

/** Known to be wrong only where the memory is. */
function outside(id: string, about: string, changes: Partial<RingAddress>): HostileCase {
  const start = startQueue(tx).map((step) =>
    step === send('SET_VRING_ADDR', addressOf(tx)) ? send('SET_VRING_ADDR', addressOf(tx, changes)) : step,
  );
  return {
    id: `vring/${id}`,
    about,
    script: [...ready, ...start, 'closed a'],
    expect: ends('USV_REGION'),
  };
}
const end = user(memorySize);
const bytes = { desc: 16n * 64n, avail: 4n + 2n * 64n, used: 4n + 8n * 64n };
const addresses: readonly HostileCase[] = [
  ...(['desc', 'avail', 'used'] as const).flatMap((area) => [
    outside(`${area}-null`, `the ${area} area at address 0`, { [area]: 0n }),
    outside(`${area}-behind`, `the ${area} area behind the memory`, { [area]: end }),
    outside(`${area}-before`, `the ${area} area that begins 16 bytes before the memory`, {
      [area]: user(0) - 16n,
    }),
    outside(`${area}-last-entry-outside`, `the ${area} area whose last entry is not in the memory`, {
      // The nearest place of the right alignment from which the area no longer fits.
      [area]: ((end - bytes[area]) / 16n + 1n) * 16n,
    }),
    outside(`${area}-wraps`, `the ${area} area at the end of 64 bits`, { [area]: top - 16n }),
  ]),
];

const others: readonly HostileCase[] = [
  refused(
    'dirty-log',
    'a ring address that asks for a dirty log, which is not offered',
    send('SET_VRING_ADDR', addressOf(tx, { flags: 1, log: user(0) })),
  ),
  {
    id: 'vring/areas-on-one-another',
    about: 'descriptors, avail and used at one and the same address',
    script: [
      ...ready,
      ...startQueue(tx).map((step) =>
        step === send('SET_VRING_ADDR', addressOf(tx))
          ? send('SET_VRING_ADDR', addressOf(tx, { avail: user(0x1000), used: user(0x1000) }))
          : step,
      ),
      `signal ${names('a').kick(tx)}`,
      'settle a',
    ],
    expect: either('USV_RING', 'USV_REGION', 'USV_MESSAGE'),
  },
  {
    id: 'vring/one-ring-for-both-queues',
    about: 'receive and transmit queue with the same areas',
    script: [
      ...handshake(),
      send('GET_VRING_BASE', vringState(0, 0)),
      'reply a',
      send('SET_VRING_ADDR', addressOf(0, areaOf(tx))),
      send('SET_VRING_KICK', u64(0), 'ka0'),
      'signal ka1',
      'settle a',
    ],
    expect: either('USV_RING'),
  },
  {
    id: 'vring/base-of-the-dead',
    about: 'bases at the end of 16 bits, with rings that stand at 0',
    script: [
      ...ready,
      ...startQueue(tx).map((step) =>
        step === send('SET_VRING_BASE', vringState(tx, 0))
          ? send('SET_VRING_BASE', vringState(tx, 0xffff))
          : step,
      ),
      'settle a',
    ],
    expect: either('USV_RING'),
  },
  {
    id: 'vring/same-address-again',
    about: 'SET_VRING_ADDR a hundred times over while the ring runs',
    script: [...handshake(), 'repeat 100', send('SET_VRING_ADDR', addressOf(tx)), 'end', 'alive a'],
    expect: stays,
  },
];

function areaOf(queue: 0 | 1): Partial<RingAddress> {
  const { desc, avail, used } = areas[queue];
  return { desc: user(desc), avail: user(avail), used: user(used) };
}

export const vringCases: readonly HostileCase[] = [
  ...sizes,
  ...wrongIndices,
  ...wrongFdIndices,
  ...values,
  ...misaligned,
  ...addresses,
  ...others,
];
