// SPDX-License-Identifier: Apache-2.0
//
// Class `packed`: packed rings (virtio 1.2, 2.8) with values that no driver can have written. The queues of these cases have 64
// entries in the place of the split descriptor table; the two event areas lie where avail and used ring would.

import { type Expectation, either, ends, type HostileCase, stays } from '../case.ts';
import {
  areas,
  bufferAt,
  guest,
  handshake,
  headerBytes,
  hex,
  kick,
  neighbour,
  neighbourSends,
  type Queue,
  queueSize,
  rx,
  tablesAt,
  tx,
  writeFrame,
} from '../front-end.ts';
import { feature, u16, u32, u64 } from '../wire.ts';

/** Flags of a descriptor (virtio 1.2, 2.8.1): made available in the first round, when the wrap counter is 1. */
const available = 1 << 7;
const used = 1 << 15;
const more = 1;
const write = 2;
const indirect = 4;

interface PackedDescriptor {
  readonly address: bigint;
  readonly length: number;
  readonly id?: number;
  readonly flags: number;
}
const packed = ({ address, length, id = 0, flags }: PackedDescriptor): string =>
  u64(address) + u32(length) + u16(id) + u16(flags);

interface Words {
  readonly id: string;
  readonly about: string;
  readonly queue?: Queue;
  /** From entry 0 on; flags are written as they stand. */
  readonly entries: readonly PackedDescriptor[];
  readonly expect: Expectation;
  readonly features?: bigint;
  readonly before?: readonly string[];
}

function onRing(words: Words): HostileCase {
  const { id, about, queue = tx, entries, expect, features = 0n, before = [] } = words;
  const all = feature.packed | features;
  const last = expect.kind === 'ends' ? 'closed a' : 'settle a';
  return {
    id: `packed/${id}`,
    about,
    script: [
      ...(queue === rx ? neighbour() : []),
      ...handshake({ features: all }),
      writeFrame(0),
      ...before,
      `bytes ma ${hex(areas[queue].desc)} ${entries.map(packed).join('')}`,
      ...(queue === rx ? neighbourSends(1) : [kick(tx)]),
      last,
      ...(queue === rx ? ['alive n'] : []),
    ],
    expect,
    needs: all,
  };
}

const at = (queue: Queue): bigint => guest(bufferAt(queue, 0));
const good: PackedDescriptor = { address: at(tx), length: headerBytes + 60, flags: available };
const refused = ends('USV_RING');

export const packedCases: readonly HostileCase[] = [
  onRing({
    id: 'endless-chain',
    about: 'as many descriptors as the queue has, each of which says that one follows',
    entries: Array.from({ length: queueSize }, () => ({ ...good, length: 1, flags: available | more })),
    expect: refused,
  }),
  onRing({
    id: 'whole-ring-of-frames',
    about: 'a frame in every entry of the ring',
    entries: Array.from({ length: queueSize }, (_, id) => ({ ...good, id })),
    expect: stays,
  }),
  onRing({
    id: 'id-beyond',
    about: 'a buffer id beyond the queue, which the device has only to give back',
    entries: [{ ...good, id: 0xffff }],
    expect: either('USV_RING'),
  }),
  onRing({
    id: 'same-id-for-all',
    about: 'the same buffer id in every entry',
    entries: Array.from({ length: queueSize }, () => good),
    expect: stays,
  }),
  onRing({
    id: 'address-outside',
    about: 'a buffer outside the memory',
    entries: [{ ...good, address: 0x1000n }],
    expect: refused,
  }),
  ...[0, 1, 2, 3].map((slot) =>
    onRing({
      id: `address-outside-in-slot-${slot}`,
      about: `four buffers at once, of which number ${slot} is outside the memory`,
      entries: [0, 1, 2, 3].map((id) => ({ ...good, id, address: id === slot ? 0x1000n : at(tx) })),
      expect: refused,
    }),
  ),
  onRing({
    id: 'length-largest',
    about: 'a buffer of 2³²-1 bytes',
    entries: [{ ...good, length: 0xffff_ffff }],
    expect: refused,
  }),
  onRing({
    id: 'length-zero',
    about: 'buffers of no bytes in every entry',
    entries: Array.from({ length: queueSize }, () => ({ ...good, length: 0 })),
    expect: stays,
  }),
  onRing({
    id: 'length-below-header',
    about: 'buffers shorter than a header in every entry',
    entries: Array.from({ length: queueSize }, (_, id) => ({ ...good, id, length: id % headerBytes })),
    expect: stays,
  }),
  onRing({
    id: 'wrong-direction',
    about: 'a writable buffer on the transmit queue',
    entries: [{ ...good, flags: available | write }],
    expect: refused,
  }),
  onRing({
    id: 'both-flags',
    about: 'a descriptor that is available and used at once, which is used',
    entries: [{ ...good, flags: available | used }],
    expect: stays,
  }),
  onRing({
    id: 'receive-outside',
    about: 'a receive buffer outside the memory',
    queue: rx,
    entries: [{ address: 0x1000n, length: 2048, flags: available | write }],
    expect: refused,
  }),
  onRing({
    id: 'receive-small',
    about: 'receive buffers smaller than a header, four at once',
    queue: rx,
    entries: [0, 1, 2, 3].map((id) => ({ address: at(rx), length: id * 3, id, flags: available | write })),
    expect: either('USV_RING'),
  }),
  onRing({
    id: 'receive-wrong-direction',
    about: 'a readable buffer on the receive queue',
    queue: rx,
    entries: [{ address: at(rx), length: 2048, flags: available }],
    expect: refused,
  }),
  onRing({
    id: 'indirect-not-negotiated',
    about: 'an indirect table that was not negotiated',
    entries: [{ address: guest(tablesAt), length: 16, flags: available | indirect }],
    expect: refused,
  }),
  onRing({
    id: 'indirect-odd-length',
    about: 'an indirect table of 17 bytes',
    entries: [{ address: guest(tablesAt), length: 17, flags: available | indirect }],
    expect: refused,
    features: feature.indirect,
  }),
  onRing({
    id: 'indirect-outside',
    about: 'an indirect table outside the memory',
    entries: [{ address: 0x1000n, length: 16, flags: available | indirect }],
    expect: refused,
    features: feature.indirect,
  }),
  onRing({
    id: 'indirect-nested',
    about: 'a table in a table',
    before: [
      `bytes ma ${hex(tablesAt)} ${packed({ address: guest(tablesAt), length: 16, flags: indirect })}`,
    ],
    entries: [{ address: guest(tablesAt), length: 16, flags: available | indirect }],
    expect: refused,
    features: feature.indirect,
  }),
  onRing({
    id: 'race-flags',
    about: 'flags that change while they are read',
    before: [`flip ma ${hex(areas[tx].desc + 14)} 2 ${hex(available)} ${hex(available | write)}`],
    entries: [good],
    expect: either('USV_RING'),
  }),
  onRing({
    id: 'race-address',
    about: 'an address that changes while it is read',
    before: [`flip ma ${hex(areas[tx].desc)} 8 ${hex(at(tx))} 0x1000`],
    entries: [good],
    expect: either('USV_RING'),
  }),
];
