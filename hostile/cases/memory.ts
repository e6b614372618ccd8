// SPDX-License-Identifier: Apache-2.0
//
// Class `memory`: memory that is cut, punched or exchanged while rings in it run. Nothing here touches the attacker's own
// mapping afterwards, or the player itself would end.

import { either, ends, type HostileCase, stays } from '../case.ts';
import {
  begin,
  bufferAt,
  goodBuffer,
  goodFrames,
  guestBase,
  handshake,
  hex,
  kick,
  memorySize,
  negotiate,
  neighbour,
  neighbourSends,
  rx,
  send,
  setAvail,
  shareMemory,
  startQueue,
  tx,
  userBase,
} from '../front-end.ts';
import { flags, memoryTable, message, protocol, region, u64 } from '../wire.ts';

const cut = ends('USV_REGION', 'truncated');
/** Frames have gone through before anything is done to the memory. */
const sending = (memory = 'memfd'): string[] => [
  ...handshake({ memory }),
  ...goodFrames(8),
  'traffic a a1 ka1 64 8',
];

const truncated: readonly HostileCase[] = [
  {
    id: 'memory/truncated',
    about: 'a memory file cut to nothing while its rings run',
    script: [...sending(), 'resize ma 0', kick(tx), 'closed a'],
    expect: cut,
  },
  {
    id: 'memory/truncated-shm',
    about: 'the same with a file of /dev/shm',
    script: [...sending('shm'), 'resize ma 0', kick(tx), 'closed a'],
    expect: cut,
  },
  {
    id: 'memory/truncated-to-the-rings',
    about: 'a memory file cut behind its rings, so that the frames are gone',
    script: [
      ...sending(),
      `resize ma ${hex(0x8000)}`,
      ...Array.from({ length: 8 }, (_, index) => `offer a1 ${index}`),
      kick(tx),
      'closed a',
    ],
    expect: cut,
  },
  {
    id: 'memory/truncated-receive-buffers',
    about: 'a memory file cut behind its rings while the neighbour sends to them',
    script: [
      ...neighbour(),
      ...handshake(),
      ...Array.from({ length: 16 }, (_, index) => [
        goodBuffer({ queue: rx }, index),
        `offer a0 ${index}`,
      ]).flat(),
      `resize ma ${hex(0x8000)}`,
      ...neighbourSends(32),
      'closed a',
      'alive n',
    ],
    expect: cut,
  },
  {
    id: 'memory/truncated-by-one-page',
    about: 'a memory file cut by its last page, in which a frame lies',
    script: [
      ...sending(),
      goodBuffer({ queue: tx }, 0),
      `bytes ma ${hex(0x1000)} ${lastPage()}`,
      `resize ma ${hex(memorySize - 0x1000)}`,
      'offer a1 0',
      kick(tx),
      'closed a',
    ],
    expect: cut,
  },
  {
    id: 'memory/truncated-before-the-rings',
    about: 'a memory file that is shared, cut, and only then given rings',
    script: [
      ...begin(),
      ...negotiate(),
      ...shareMemory(),
      'resize ma 0',
      ...startQueue(tx),
      kick(tx),
      'settle a',
    ],
    expect: either('USV_REGION'),
  },
  {
    id: 'memory/sealed',
    about: 'sealed memory, which nobody can cut',
    script: [...sending('sealed'), 'alive a'],
    expect: stays,
  },
  {
    id: 'memory/grown',
    about: 'a memory file that grows while its rings run',
    script: [...sending(), `resize ma ${hex(4 * memorySize)}`, 'traffic a a1 ka1 64 8', 'alive a'],
    expect: stays,
  },
];

function lastPage(): string {
  const address = guestBase + BigInt(memorySize - 0x800);
  // Descriptor 0: the frame's place in the last page.
  return u64(address) + u64(72n);
}

const punched: readonly HostileCase[] = [
  {
    id: 'memory/punched-rings',
    about: 'holes in place of the rings: their indices go back to 0',
    script: [...sending(), `punch ma 0 ${hex(0x8000)}`, kick(tx), 'closed a'],
    expect: ends('USV_RING', 'avail entries'),
  },
  {
    id: 'memory/punched-frames',
    about: 'holes in place of the frames, again and again while they are sent',
    script: [
      ...sending(),
      'repeat 200',
      `punch ma ${hex(bufferAt(tx, 0))} ${hex(0x1_0000)}`,
      'traffic a a1 ka1 8 8',
      'end',
      'alive a',
    ],
    expect: stays,
  },
];

const slice = (offset: number, size: number) => ({
  guest: guestBase + BigInt(offset),
  user: userBase + BigInt(offset),
  size: BigInt(size),
  offset: BigInt(offset),
});

const exchanged: readonly HostileCase[] = [
  {
    id: 'memory/exchanged-under-traffic',
    about: 'a thousand memory tables while frames are sent',
    script: [...sending(), 'repeat 1000', ...shareMemory(), 'traffic a a1 ka1 8 8', 'end', 'alive a'],
    expect: stays,
  },
  {
    id: 'memory/exchanged-under-receiving',
    about: 'two hundred memory tables while the neighbour sends',
    script: [
      ...neighbour(),
      ...handshake(),
      ...Array.from({ length: 16 }, (_, index) => [
        goodBuffer({ queue: rx }, index),
        `offer a0 ${index}`,
      ]).flat(),
      'repeat 200',
      ...shareMemory(),
      ...neighbourSends(4),
      'end',
      'alive a',
      'alive n',
    ],
    expect: stays,
  },
  {
    id: 'memory/frames-taken-away',
    about: 'a new table that has the rings and no longer the frames which are offered',
    script: [
      ...sending(),
      `send a ${message('SET_MEM_TABLE', memoryTable([slice(0, 0x8000)]), { flags: flags.version1 | flags.needReply })} ma`,
      'reply a ok',
      'offer a1 0',
      kick(tx),
      'closed a',
    ],
    expect: ends('USV_RING', 'shared memory'),
  },
  {
    id: 'memory/another-file',
    about: 'a new table with another, empty file under the rings: their indices go back to 0',
    script: [
      ...sending(),
      `file other memfd ${memorySize}`,
      send('SET_MEM_TABLE', memoryTable([slice(0, memorySize)]), 'other'),
      kick(tx),
      'settle a',
    ],
    expect: either('USV_RING', 'USV_REGION'),
  },
  {
    id: 'memory/avail-jump-after-exchange',
    about: 'an index that jumps right behind a new table',
    script: [...sending(), ...shareMemory(), setAvail(tx, 0x9000), kick(tx), 'closed a'],
    expect: ends('USV_RING', 'avail entries'),
  },
];

/** Regions one by one (vhost-user, CONFIGURE_MEM_SLOTS). */
const slots = { protocolFeatures: protocol.replyAck | protocol.memSlots };
const one = (values: Parameters<typeof region>[0]): string => u64(0) + region(values);

function slot(
  id: string,
  about: string,
  steps: readonly string[],
  expect: HostileCase['expect'],
): HostileCase {
  return {
    id: `memory/${id}`,
    about,
    script: [...handshake(slots), ...goodFrames(8), 'traffic a a1 ka1 64 8', ...steps],
    expect,
    needsProtocol: protocol.memSlots,
  };
}
const apart = { guest: 0x1000n, user: 0x1000n, size: 0x1000n, offset: 0n };

const slotCases: readonly HostileCase[] = [
  slot(
    'slot-removed-under-traffic',
    'REM_MEM_REG of the memory in which rings run',
    [send('REM_MEM_REG', one(slice(0, memorySize))), kick(tx), 'settle a'],
    either('USV_REGION', 'USV_RING', 'USV_MESSAGE'),
  ),
  slot(
    'slot-unknown',
    'REM_MEM_REG of memory that is not there',
    [send('REM_MEM_REG', one(apart)), 'closed a'],
    ends('USV_REGION'),
  ),
  slot(
    'slot-twice',
    'ADD_MEM_REG of memory that is there, as QEMU does for a second queue pair, and REM_MEM_REG of it once',
    [
      send('ADD_MEM_REG', one(slice(0, memorySize)), 'ma'),
      send('REM_MEM_REG', one(slice(0, memorySize))),
      'traffic a a1 ka1 64 8',
      'alive a',
    ],
    stays,
  ),
  slot(
    'slot-nine-times',
    'ADD_MEM_REG of memory that is there more often than there are queue pairs',
    [...Array.from({ length: 8 }, () => send('ADD_MEM_REG', one(slice(0, memorySize)), 'ma')), 'closed a'],
    ends('USV_REGION', 'at most 8 times'),
  ),
  slot(
    'slot-twice-and-removed',
    'ADD_MEM_REG of memory that is there, and REM_MEM_REG of it three times, under rings that run',
    [
      send('ADD_MEM_REG', one(slice(0, memorySize)), 'ma'),
      ...[1, 2, 3].map(() => send('REM_MEM_REG', one(slice(0, memorySize)))),
      'closed a',
    ],
    ends('USV_REGION'),
  ),
  slot(
    'slot-twice-of-another-file',
    'ADD_MEM_REG of another file in the place of memory that is there',
    [`file other memfd ${memorySize}`, send('ADD_MEM_REG', one(slice(0, memorySize)), 'other'), 'closed a'],
    ends('USV_REGION', 'disjoint'),
  ),
  slot(
    'slot-twice-elsewhere',
    'ADD_MEM_REG of another piece of the file in the place of memory that is there',
    [
      `resize ma ${hex(2 * memorySize)}`,
      send('ADD_MEM_REG', one({ ...slice(0, memorySize), offset: 0x1000n }), 'ma'),
      'closed a',
    ],
    ends('USV_REGION', 'disjoint'),
  ),
  slot(
    'slot-overlaps',
    'ADD_MEM_REG over memory that is there',
    [send('ADD_MEM_REG', one({ ...apart, guest: guestBase }), 'ma'), 'closed a'],
    ends('USV_REGION'),
  ),
  slot(
    'slot-beyond-its-file',
    'ADD_MEM_REG beyond its file',
    [send('ADD_MEM_REG', one({ ...apart, offset: BigInt(memorySize) }), 'ma'), 'closed a'],
    ends('USV_REGION'),
  ),
  slot(
    'slot-without-file',
    'ADD_MEM_REG without a descriptor',
    [send('ADD_MEM_REG', one(apart)), 'closed a'],
    ends('USV_MESSAGE'),
  ),
  slot(
    'slots-added-without-end',
    'ADD_MEM_REG a thousand times',
    [
      ...Array.from({ length: 1000 }, (_, index) =>
        send(
          'ADD_MEM_REG',
          one({ ...apart, guest: BigInt(index) * 0x1000n, user: BigInt(index) * 0x1000n }),
          'ma',
        ),
      ),
      'closed a',
    ],
    ends('USV_REGION'),
  ),
  slot(
    'slot-added-and-removed',
    'ADD_MEM_REG and REM_MEM_REG a thousand times while frames are sent',
    [
      'repeat 1000',
      send('ADD_MEM_REG', one(apart), 'ma'),
      send('REM_MEM_REG', one(apart)),
      'traffic a a1 ka1 4 4',
      'end',
      'alive a',
    ],
    stays,
  ),
];

export const memoryCases: readonly HostileCase[] = [...truncated, ...punched, ...exchanged, ...slotCases];
