// SPDX-License-Identifier: Apache-2.0
//
// Class `queues`: pairs beyond the first one, in every order, by halves, on top of one another, and numbers just beyond the last.

import { type Expectation, either, ends, type HostileCase, stays } from '../case.ts';
import {
  addressOf,
  begin,
  bufferAt,
  describe,
  type FrontEndOptions,
  goodBuffer,
  goodFrames,
  guest,
  handshake,
  headerBytes,
  kick,
  mostPairs,
  negotiate,
  neighbour,
  neighbourSends,
  queueSize,
  queuesOf,
  rx,
  send,
  setAvail,
  shareMemory,
  startQueue,
  tx,
  vringState,
} from '../front-end.ts';
import { feature, protocol, type RequestName, u64 } from '../wire.ts';

const many: FrontEndOptions = { features: feature.mq, pairs: mostPairs };
const all = queuesOf(mostPairs);
const transmitting = all.filter((queue) => queue % 2 === tx);
const receiving = all.filter((queue) => queue % 2 === rx);
const lastPair = { rx: 2 * mostPairs - 2, tx: 2 * mostPairs - 1 };

/** Up to the memory; the queues are the case's. */
const ready = [...begin(many), ...negotiate(many), ...shareMemory()];
const start = (...chosen: readonly number[]): string[] => chosen.flatMap((queue) => startQueue(queue, many));

/** Frames from these queues, all of which have to be taken. */
const frames = (count: number, ...chosen: readonly number[]): string[] =>
  chosen.flatMap((queue) => [
    ...[0, 1, 2, 3].map((index) => goodBuffer({ queue }, index)),
    `traffic a a${queue} ka${queue} ${count} 4`,
  ]);

function pairs(
  id: string,
  about: string,
  steps: readonly string[],
  expect: Expectation = stays,
  last = expect.kind === 'ends' ? 'closed a' : 'alive a',
): HostileCase {
  return {
    id: `queues/${id}`,
    about,
    script: [...steps, ...(steps.includes(last) ? [] : [last])],
    expect,
    needs: feature.mq,
    needsProtocol: protocol.mq,
  };
}

const orders: readonly (readonly [id: string, about: string, queues: readonly number[]])[] = [
  ['last-first', 'all queues, the last one first', all.toReversed()],
  ['receiving-first', 'all queues, those that receive first', [...all].sort((a, b) => (a % 2) - (b % 2))],
  ['transmitting-first', 'all queues, those that transmit first', [...all].sort((a, b) => (b % 2) - (a % 2))],
  [
    'inside-out',
    'all queues, from the middle outwards',
    [...all].sort((a, b) => Math.abs(a - 7.5) - Math.abs(b - 7.5)),
  ],
  [
    'last-pair-and-first',
    'the last pair and the first, and none between',
    [lastPair.tx, lastPair.rx, tx, rx],
  ],
];
const inOrder = orders.map(([id, about, order]) =>
  pairs(id, about, [
    ...ready,
    ...start(...order),
    'alive a',
    ...goodFrames(4),
    ...frames(64, ...order.filter((queue) => queue % 2 === tx)),
  ]),
);

const halves: readonly HostileCase[] = [
  pairs('last-transmit-alone', 'the last transmit queue and no other', [
    ...ready,
    ...start(lastPair.tx),
    ...goodFrames(4),
    ...frames(64, lastPair.tx),
  ]),
  pairs('last-receive-alone', 'the last receive queue and no other, while the neighbour sends to it', [
    ...neighbour(),
    ...ready,
    ...start(lastPair.rx),
    ...[0, 1, 2, 3].flatMap((index) => [
      goodBuffer({ queue: lastPair.rx }, index),
      `offer a${lastPair.rx} ${index}`,
    ]),
    ...neighbourSends(16),
    'alive n',
  ]),
  pairs('receive-without-buffers', 'eight receive queues without a buffer, while the neighbour sends', [
    ...neighbour(),
    ...handshake(many),
    ...neighbourSends(64),
    'alive n',
  ]),
  pairs('enabled-and-never-set-up', 'SET_VRING_ENABLE of all queues, of which one pair is set up', [
    ...ready,
    ...all.map((queue) => send('SET_VRING_ENABLE', vringState(queue, 1))),
    ...start(rx, tx),
    ...goodFrames(4),
    ...frames(64, tx),
  ]),
  pairs(
    'kick-of-one-never-set-up',
    'SET_VRING_KICK of the last queue, of which nothing else has been said',
    [...ready, ...start(rx, tx), send('SET_VRING_KICK', u64(lastPair.tx), 'ka1')],
    ends('USV_MESSAGE', 'after SET_VRING_NUM'),
  ),
  pairs('call-of-one-never-set-up', 'SET_VRING_CALL of all queues, of which one pair is set up', [
    ...ready,
    ...all.map((queue) => send('SET_VRING_CALL', u64(queue), 'ca1')),
    ...start(rx, tx),
    ...goodFrames(4),
    ...frames(64, tx),
  ]),
  pairs('kick-without-address', 'a pair that has a size and a kick and no address, beside one that runs', [
    ...ready,
    ...start(rx, tx),
    send('SET_VRING_NUM', vringState(lastPair.tx, queueSize)),
    send('SET_VRING_KICK', u64(lastPair.tx), `ka${lastPair.tx}`),
    send('SET_VRING_ENABLE', vringState(lastPair.tx, 1)),
    kick(lastPair.tx),
    ...goodFrames(4),
    ...frames(64, tx),
  ]),
  pairs(
    'ring-outside-the-memory',
    'seven pairs that run, and an eighth outside the memory',
    [
      ...ready,
      ...start(...all.slice(0, -1)),
      ...start(lastPair.tx).map((step) =>
        step === send('SET_VRING_ADDR', addressOf(lastPair.tx))
          ? send('SET_VRING_ADDR', addressOf(lastPair.tx, { desc: 0x1000n }))
          : step,
      ),
    ],
    ends('USV_REGION'),
  ),
];

const together: readonly HostileCase[] = [
  pairs(
    'one-ring-for-all',
    'eight transmit queues that are the same ring',
    [
      ...ready,
      ...start(rx),
      ...transmitting.flatMap((queue) =>
        startQueue(queue, many).map((step) =>
          step === send('SET_VRING_ADDR', addressOf(queue))
            ? send('SET_VRING_ADDR', addressOf(tx, { index: queue }))
            : step,
        ),
      ),
      ...goodFrames(8),
      'traffic a a1 ka1 500 8',
      'settle a',
    ],
    either('USV_RING'),
    'settle a',
  ),
  pairs('one-kick-for-all', 'eight transmit queues with one and the same descriptor for kicks', [
    ...handshake(many),
    ...transmitting.map((queue) => send('SET_VRING_KICK', u64(queue), 'ka1')),
    ...goodFrames(4),
    ...transmitting.flatMap((queue) => [
      ...[0, 1, 2, 3].map((index) => goodBuffer({ queue }, index)),
      `traffic a a${queue} ka1 64 4`,
    ]),
  ]),
  pairs(
    'last-one-breaks',
    'seven pairs that keep the rules, and a jump of the index of the last one',
    [
      ...handshake(many),
      ...goodFrames(4),
      ...frames(64, ...transmitting),
      setAvail(lastPair.tx, 0x9000),
      kick(lastPair.tx),
      'closed a',
    ],
    ends('USV_RING', 'avail entries'),
  ),
  pairs(
    'receive-queue-breaks',
    'eight receive queues, each of which has a buffer outside the memory',
    [
      ...neighbour(),
      ...handshake(many),
      ...receiving.flatMap((queue) => [
        describe({ queue }, 0, { address: 0x1000n, length: 2048, flags: 2 }),
        `offer a${queue} 0`,
      ]),
      ...neighbourSends(8),
      'closed a',
      'alive n',
    ],
    ends('USV_RING'),
  ),
  pairs('all-full', 'eight transmit queues full of frames, and one kick for each', [
    ...handshake(many),
    ...goodFrames(16),
    ...transmitting.flatMap((queue) => [
      ...Array.from({ length: 16 }, (_, index) => goodBuffer({ queue }, index)),
      ...Array.from({ length: queueSize }, (_, index) => `offer a${queue} ${index % 16}`),
    ]),
    ...transmitting.map(kick),
    ...transmitting.map((queue) => `taken a${queue} a`),
  ]),
  pairs(
    'stopped-and-started',
    'the last pair stopped and started three hundred times while the first one sends',
    [
      ...handshake(many),
      ...goodFrames(4),
      ...[0, 1, 2, 3].map((index) => goodBuffer({ queue: tx }, index)),
      'repeat 300',
      ...[lastPair.rx, lastPair.tx].flatMap((queue) => [
        send('GET_VRING_BASE', vringState(queue, 0)),
        'reply a',
      ]),
      'traffic a a1 ka1 4 4',
      ...[lastPair.rx, lastPair.tx].map((queue) => send('SET_VRING_KICK', u64(queue), `ka${queue}`)),
      'traffic a a1 ka1 4 4',
      'end',
    ],
  ),
  pairs(
    'disabled-and-enabled',
    'receive queues that are disabled and enabled while the neighbour sends to them',
    [
      ...neighbour(),
      ...handshake(many),
      ...receiving.flatMap((queue) =>
        Array.from({ length: 16 }, (_, index) => [
          goodBuffer({ queue }, index),
          `offer a${queue} ${index}`,
        ]).flat(),
      ),
      'repeat 100',
      ...[0, 1].flatMap((on) => [
        ...all.slice(2).map((queue) => send('SET_VRING_ENABLE', vringState(queue, on))),
        ...neighbourSends(2),
      ]),
      'end',
      'alive n',
    ],
  ),
  pairs(
    'more-than-announced',
    'all queues of one who has agreed on one pair only: no MQ among the features of the device',
    [...handshake({ pairs: mostPairs }), ...goodFrames(4), ...frames(64, ...transmitting)],
  ),
  pairs('short-descriptors', 'a frame of 14 bytes from each queue, all at one time', [
    ...handshake(many),
    ...goodFrames(1),
    ...transmitting.flatMap((queue) => [
      describe({ queue }, 0, { address: guest(bufferAt(tx, 0)), length: headerBytes + 14 }),
      `offer a${queue} 0`,
    ]),
    ...transmitting.map(kick),
    ...transmitting.map((queue) => `taken a${queue} a`),
  ]),
];

/** Messages about queue `index`, of which none may be served. */
const about: readonly (readonly [RequestName, (index: number) => string])[] = [
  ['SET_VRING_NUM', (index) => send('SET_VRING_NUM', vringState(index, 64))],
  ['SET_VRING_BASE', (index) => send('SET_VRING_BASE', vringState(index, 0))],
  ['GET_VRING_BASE', (index) => send('GET_VRING_BASE', vringState(index, 0))],
  ['SET_VRING_ENABLE', (index) => send('SET_VRING_ENABLE', vringState(index, 1))],
  ['SET_VRING_ADDR', (index) => send('SET_VRING_ADDR', addressOf(tx, { index }))],
  ['SET_VRING_KICK', (index) => send('SET_VRING_KICK', u64(index), 'ka1')],
  ['SET_VRING_CALL', (index) => send('SET_VRING_CALL', u64(index), 'ka1')],
  ['SET_VRING_ERR', (index) => send('SET_VRING_ERR', u64(index), 'ka1')],
];
const kebab = (name: string): string => name.toLowerCase().replaceAll('_', '-');

const beyond = about.map(([name, step]) =>
  pairs(
    `${kebab(name)}-of-the-first-beyond`,
    `${name} of queue ${2 * mostPairs}, the first that there is not`,
    [...ready, step(2 * mostPairs)],
    ends('USV_MESSAGE'),
  ),
);

/** The protocol feature MQ was offered and not taken: queues 0 and 1 are all there are. */
const one = { protocolFeatures: protocol.replyAck };
const notAgreed = about.flatMap(([name, step]) =>
  [2, lastPair.tx].map((index) =>
    pairs(
      `${kebab(name)}-of-${index}-without-mq`,
      `${name} of queue ${index} by one who has not agreed on more than one pair`,
      [...begin(), ...negotiate(one), ...shareMemory(), step(index)],
      ends('USV_MESSAGE', 'one pair of queues'),
    ),
  ),
);

export const queueCases: readonly HostileCase[] = [
  ...inOrder,
  ...halves,
  ...together,
  ...beyond,
  ...notAgreed,
];
