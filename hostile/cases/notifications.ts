// SPDX-License-Identifier: Apache-2.0
//
// Class `notify`: kicks without end, calls that cannot be written. Class `slow`: a peer that begins and does not end.

import { ends, type HostileCase, stays } from '../case.ts';
import {
  areas,
  begin,
  goodBuffer,
  goodFrames,
  handshake,
  hex,
  kick,
  names,
  negotiate,
  neighbour,
  neighbourSends,
  rx,
  send,
  tx,
} from '../front-end.ts';
import { message, requests, u32, u64 } from '../wire.ts';

/** The attacker asks for a call with each buffer, which is what an avail flag of 0 means. */
const wantCalls = ([tx, rx] as const).map((queue) => `store ma ${hex(areas[queue].avail)} 2 0`);

const notifications: readonly HostileCase[] = [
  ...(['full', 'full-blocking', 'blocking', 'semaphore'] as const).map(
    (call): HostileCase => ({
      id: `notify/call-${call}`,
      about: `a call descriptor of the kind ${call} that nobody reads`,
      script: [...handshake({ call }), ...wantCalls, ...goodFrames(8), 'traffic a a1 ka1 500 8', 'alive a'],
      expect: stays,
    }),
  ),
  {
    id: 'notify/receive-call-full',
    about: 'a full, blocking call descriptor of the receive queue while the neighbour sends',
    script: [
      ...neighbour(),
      ...handshake({ call: 'full-blocking' }),
      ...wantCalls,
      ...Array.from({ length: 16 }, (_, index) => [
        goodBuffer({ queue: rx }, index),
        `offer a0 ${index}`,
      ]).flat(),
      ...neighbourSends(64),
      'alive a',
      'alive n',
    ],
    expect: stays,
  },
  ...(['full', 'full-blocking', 'blocking', 'semaphore'] as const).map(
    (kind): HostileCase => ({
      id: `notify/kick-${kind}`,
      about: `a kick descriptor of the kind ${kind}`,
      script: [
        ...handshake({ kick: kind }),
        ...goodFrames(8),
        // A write to a full one that blocks would hold up the player.
        ...(kind === 'full-blocking' ? [] : ['traffic a a1 ka1 100 8']),
        'alive a',
      ],
      expect: stays,
    }),
  ),
  {
    id: 'notify/kick-storm',
    about: 'a thread that kicks without end, with frames now and then',
    script: [...handshake(), ...goodFrames(8), 'storm ka1', 'traffic a a1 ka1 2000 8', 'calm', 'alive a'],
    expect: stays,
  },
  {
    id: 'notify/kick-storm-for-nothing',
    about: 'two threads that kick without end, and not one frame',
    script: [...handshake(), 'storm ka1', 'storm ka0', 'linger a 200', 'calm', 'alive a'],
    expect: stays,
  },
  {
    id: 'notify/kick-storm-of-a-blocking-one',
    about: 'a kick descriptor that blocks, which the attacker drains itself while it kicks',
    script: [
      ...handshake({ kick: 'blocking' }),
      ...goodFrames(8),
      'storm ka1',
      'repeat 500',
      'drain ka1',
      'end',
      'traffic a a1 ka1 100 8',
      'calm',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'notify/call-storm',
    about: 'a thread that fills the call descriptor while the switch writes it',
    script: [
      ...handshake(),
      ...wantCalls,
      ...goodFrames(8),
      'storm ca1',
      'traffic a a1 ka1 2000 8',
      'calm',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'notify/call-taken-away',
    about: 'call descriptors that come and go while frames are sent',
    script: [
      ...handshake(),
      ...wantCalls,
      ...goodFrames(8),
      'repeat 300',
      send('SET_VRING_CALL', u64(tx | 0x100)),
      'traffic a a1 ka1 4 4',
      send('SET_VRING_CALL', u64(tx), names('a').call(tx)),
      'traffic a a1 ka1 4 4',
      'end',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'notify/kick-without-frames',
    about: 'a thousand kicks of a ring in which there is nothing',
    script: [...handshake(), 'repeat 1000', kick(tx), kick(rx), 'end', 'alive a'],
    expect: stays,
  },
];

const late = ends('USV_HANDSHAKE');

const slow: readonly HostileCase[] = [
  {
    id: 'slow/silent',
    about: 'a connection that says nothing',
    script: ['connect a attacker', 'closed a'],
    expect: late,
  },
  ...[1, 11].map(
    (count): HostileCase => ({
      id: `slow/header-of-${count}`,
      about: `${count} bytes of a header, and then nothing`,
      script: [
        ...begin(),
        ...negotiate(),
        `send a ${message('GET_FEATURES').slice(0, 2 * count)}`,
        'closed a',
      ],
      expect: late,
    }),
  ),
  {
    id: 'slow/payload',
    about: 'a header and half of its payload, and then nothing',
    script: [
      ...begin(),
      ...negotiate(),
      `send a ${message('SET_FEATURES', u64(0)).slice(0, 32)}`,
      'closed a',
    ],
    expect: late,
  },
  {
    id: 'slow/payload-with-descriptors',
    about: 'half a memory table and its descriptor, and then nothing',
    script: [
      ...begin(),
      ...negotiate(),
      `send a ${u32(requests.SET_MEM_TABLE)}${u32(1)}${u32(40)}${u32(1)} ma`,
      'closed a',
    ],
    expect: late,
  },
  {
    id: 'slow/while-rings-run',
    about: 'half a message while the rings run: they go on until the time is over',
    script: [
      ...handshake(),
      ...goodFrames(8),
      `send a ${message('GET_STATUS').slice(0, 14)}`,
      'traffic a a1 ka1 200 8',
      'closed a',
    ],
    expect: late,
  },
  {
    id: 'slow/byte-by-byte',
    about: 'a message a byte at a time, slower than the time that there is for it',
    script: [
      ...begin(),
      ...negotiate(),
      ...(message('SET_FEATURES', u64(0)).match(/../g) ?? []).flatMap((byte) => [
        `send a ${byte}`,
        'linger a 150',
      ]),
      'closed a',
    ],
    expect: late,
  },
];

export const notificationCases: readonly HostileCase[] = [...notifications, ...slow];
