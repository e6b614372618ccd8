// SPDX-License-Identifier: Apache-2.0
//
// Class `order`: right messages at the wrong time. Class `leaving`: an end of the connection at each point of a handshake.

import { either, ends, type HostileCase, stays } from '../case.ts';
import {
  addressOf,
  begin,
  goodFrames,
  handshake,
  kick,
  negotiate,
  queueSize,
  send,
  shareMemory,
  startQueue,
  tx,
  vringState,
  wholeRegion,
} from '../front-end.ts';
import { feature, memoryTable, message, protocol, u64 } from '../wire.ts';
import { permutations } from './permutations.ts';

const kickMessage = send('SET_VRING_KICK', u64(tx), 'ka1');

const withStatus = { protocolFeatures: protocol.replyAck | protocol.status };

function early(id: string, about: string, ...steps: readonly string[]): HostileCase {
  return {
    id: `order/${id}`,
    about,
    script: [...begin(), ...steps, 'settle a'],
    expect: either('USV_MESSAGE', 'USV_REGION', 'USV_RING'),
  };
}

const firsts: readonly HostileCase[] = [
  {
    id: 'order/kick-before-size',
    about: 'SET_VRING_KICK before SET_VRING_NUM',
    script: [...begin(), ...negotiate(), kickMessage, 'closed a'],
    expect: ends('USV_MESSAGE'),
  },
  {
    id: 'order/size-while-running',
    about: 'SET_VRING_NUM of a ring that runs',
    script: [...handshake(), send('SET_VRING_NUM', vringState(tx, 4096)), 'closed a'],
    expect: ends('USV_MESSAGE'),
  },
  {
    id: 'order/base-while-running',
    about: 'SET_VRING_BASE of a ring that runs',
    script: [...handshake(), send('SET_VRING_BASE', vringState(tx, 0x4000)), 'closed a'],
    expect: ends('USV_MESSAGE'),
  },
  early('enable-first', 'SET_VRING_ENABLE as the first message', send('SET_VRING_ENABLE', vringState(tx, 1))),
  early('address-first', 'SET_VRING_ADDR as the first message', send('SET_VRING_ADDR', addressOf(tx))),
  early(
    'memory-first',
    'SET_MEM_TABLE as the first message',
    send('SET_MEM_TABLE', memoryTable([wholeRegion]), 'ma'),
  ),
  early(
    'rings-before-features',
    'whole queues before any feature',
    ...startQueue(tx),
    ...shareMemory().slice(0, 1),
  ),
  early(
    'rings-before-memory',
    'whole queues before the memory',
    ...negotiate(),
    ...startQueue(tx),
    ...shareMemory(),
  ),
  early(
    'base-of-nothing',
    'GET_VRING_BASE as the first message',
    send('GET_VRING_BASE', vringState(tx, 0)),
    'reply a',
  ),
  early('reset-owner-first', 'RESET_OWNER as the first message', send('RESET_OWNER')),
  {
    ...early(
      'status-first',
      'SET_STATUS with DRIVER_OK as the first message about the device',
      ...negotiate(withStatus),
      send('SET_STATUS', u64(0xf)),
    ),
    needsProtocol: protocol.status,
  },
];

/** On rings that run; the attacker harms nobody but itself, whichever way the switch takes it. */
function late(id: string, about: string, ...steps: readonly string[]): HostileCase {
  return {
    id: `order/${id}`,
    about,
    script: [...handshake(), ...goodFrames(4), ...steps, 'settle a'],
    expect: either('USV_MESSAGE', 'USV_REGION', 'USV_RING'),
  };
}

const lates: readonly HostileCase[] = [
  late(
    'features-while-running',
    'SET_FEATURES while the rings run',
    send('SET_FEATURES', u64(feature.version1)),
    'offer a1 0',
    kick(tx),
  ),
  late(
    'protocol-features-while-running',
    'SET_PROTOCOL_FEATURES with nothing while the rings run',
    send('SET_PROTOCOL_FEATURES', u64(0)),
    'offer a1 0',
    kick(tx),
  ),
  late('owner-again', 'SET_OWNER a second time', send('SET_OWNER'), 'offer a1 0', kick(tx)),
  late('reset-owner', 'RESET_OWNER while the rings run', send('RESET_OWNER'), 'offer a1 0', kick(tx)),
  {
    id: 'order/status-zero',
    about: 'a reset of the device by its status, then kicks',
    script: [
      ...handshake(withStatus),
      ...goodFrames(4),
      send('SET_STATUS', u64(0)),
      'offer a1 0',
      kick(tx),
      'alive a',
    ],
    expect: stays,
    needsProtocol: protocol.status,
  },
  late(
    'disabled',
    'frames on a queue that was disabled',
    send('SET_VRING_ENABLE', vringState(tx, 0)),
    'offer a1 0',
    kick(tx),
  ),
  late(
    'stopped-twice',
    'GET_VRING_BASE twice, then kicks',
    send('GET_VRING_BASE', vringState(tx, 0)),
    'reply a',
    send('GET_VRING_BASE', vringState(tx, 0)),
    'reply a',
    'offer a1 0',
    kick(tx),
  ),
  late(
    'stopped-and-moved',
    'a ring that is stopped, made larger than its memory and started again',
    send('GET_VRING_BASE', vringState(tx, 0)),
    'reply a',
    send('SET_VRING_NUM', vringState(tx, 4096)),
    send('SET_VRING_ADDR', addressOf(tx)),
    kickMessage,
  ),
  late(
    'memory-in-the-middle',
    'a new memory table between two frames',
    'offer a1 0',
    kick(tx),
    ...shareMemory(),
    'offer a1 1',
    kick(tx),
  ),
];

/** The messages that make a ring run, in every order; one case for each that comes first, so 120 connections in each. */
const parts = {
  memory: send('SET_MEM_TABLE', memoryTable([wholeRegion]), 'ma'),
  size: send('SET_VRING_NUM', vringState(tx, queueSize)),
  base: send('SET_VRING_BASE', vringState(tx, 0)),
  address: send('SET_VRING_ADDR', addressOf(tx)),
  kick: kickMessage,
  enable: send('SET_VRING_ENABLE', vringState(tx, 1)),
};
const orders = Object.entries(parts).map(([first, step]): HostileCase => {
  const others = Object.values(parts).filter((other) => other !== step);
  return {
    id: `order/every-order-from-${first}`,
    about: `all orders of the messages that start a ring which begin with the ${first}`,
    script: [
      ...begin(),
      ...permutations(others).flatMap((rest) => [
        'connect a attacker',
        `send a ${message('SET_FEATURES', u64(feature.version1 | feature.protocolFeatures))}`,
        step,
        ...rest,
        kick(tx),
        'settle a',
      ]),
    ],
    expect: either('USV_MESSAGE'),
  };
});

/** The same in every order of start and stop. */
const stops = [
  send('GET_VRING_BASE', vringState(tx, 0)),
  send('SET_STATUS', u64(0)),
  send('SET_VRING_ENABLE', vringState(tx, 0)),
  kickMessage,
  send('SET_VRING_ADDR', addressOf(tx)),
];
const stopOrders: HostileCase = {
  id: 'order/every-order-of-stopping',
  about: 'all orders of the messages that stop, disable, reset and start a ring that runs',
  script: permutations(stops).flatMap((steps) => [
    ...begin(),
    `send a ${message('SET_PROTOCOL_FEATURES', u64(protocol.replyAck | protocol.status))}`,
    `send a ${message('SET_FEATURES', u64(feature.version1 | feature.protocolFeatures))}`,
    ...shareMemory(),
    ...startQueue(tx),
    ...steps,
    kick(tx),
    'settle a',
  ]),
  // It is gone before the last answer.
  expect: either('USV_MESSAGE', 'USV_IO'),
};

/** Steps of a handshake that send something. */
const steps = [...negotiate(), ...shareMemory(), ...startQueue(0), ...startQueue(1)];
const leaving = steps.flatMap((step, index): HostileCase[] => {
  if (!step.startsWith('send ')) return [];
  const name = `leaving/after-${String(index + 1).padStart(2, '0')}`;
  return [
    {
      id: name,
      about: `the end of the connection after ${index + 1} steps of the handshake`,
      script: [...begin(), ...steps.slice(0, index + 1), 'hangup a'],
      // An answer that nobody waits for cannot be sent.
      expect: steps[index + 1]?.startsWith('reply') === true ? either('USV_IO') : stays,
    },
  ];
});

const cutOff: readonly HostileCase[] = [
  ...[1, 11].map(
    (count): HostileCase => ({
      id: `leaving/in-a-header-after-${count}`,
      about: `the end of the connection after ${count} bytes of a header`,
      script: [
        ...begin(),
        ...negotiate(),
        `send a ${message('GET_FEATURES').slice(0, 2 * count)}`,
        'hangup a',
      ],
      expect: ends('USV_MESSAGE'),
    }),
  ),
  {
    id: 'leaving/in-a-payload',
    about: 'the end of the connection in the middle of a payload',
    script: [
      ...begin(),
      ...negotiate(),
      `send a ${message('SET_FEATURES', u64(0)).slice(0, 32)}`,
      'hangup a',
    ],
    expect: ends('USV_MESSAGE'),
  },
  {
    id: 'leaving/half-closed',
    about: 'no more is sent while rings run, and answers are still awaited',
    script: [...handshake(), 'half-close a', 'closed a'],
    expect: stays,
  },
  {
    id: 'leaving/with-frames-under-way',
    about: 'the end of the connection with a ring full of frames',
    script: [
      ...handshake(),
      ...goodFrames(16),
      ...Array.from({ length: queueSize }, (_, index) => `offer a1 ${index % 16}`),
      kick(tx),
      'hangup a',
    ],
    expect: stays,
  },
];

export const orderCases: readonly HostileCase[] = [
  ...firsts,
  ...lates,
  ...orders,
  stopOrders,
  ...leaving,
  ...cutOff,
];
