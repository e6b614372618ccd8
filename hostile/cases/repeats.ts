// SPDX-License-Identifier: Apache-2.0
//
// Class `repeat`: one message ten thousand times, with its descriptors where it has some. Nothing of it may stay. Class
// `flood`: more connections, descriptors or answers than anybody needs.

import { either, ends, type HostileCase, stays } from '../case.ts';
import {
  addressOf,
  begin,
  goodFrames,
  handshake,
  kick,
  negotiate,
  send,
  shareMemory,
  startQueue,
  tx,
  vringState,
  wholeRegion,
} from '../front-end.ts';
import { feature, memoryTable, message, protocol, type RequestName, requests, u64 } from '../wire.ts';

const times = 10_000;

function repeated(id: string, about: string, ...steps: readonly string[]): HostileCase {
  return {
    id: `repeat/${id}`,
    about,
    script: [...handshake(), `repeat ${times}`, ...steps, 'end', 'alive a'],
    expect: stays,
  };
}

/** Before any ring has been started. */
function repeatedFirst(id: string, about: string, ...steps: readonly string[]): HostileCase {
  return {
    id: `repeat/${id}`,
    about,
    script: [...begin(), ...negotiate(), ...shareMemory(), `repeat ${times}`, ...steps, 'end', 'alive a'],
    expect: stays,
  };
}

const answered = (name: RequestName, payload = ''): string[] => [send(name, payload), 'reply a'];

const repeats: readonly HostileCase[] = [
  repeated(
    'set-vring-call',
    'SET_VRING_CALL with a descriptor each time',
    send('SET_VRING_CALL', u64(tx), 'ca1'),
  ),
  repeated(
    'set-vring-kick',
    'SET_VRING_KICK with a descriptor each time',
    send('SET_VRING_KICK', u64(tx), 'ka1'),
  ),
  repeated(
    'set-vring-err',
    'SET_VRING_ERR with a descriptor each time',
    send('SET_VRING_ERR', u64(tx), 'ca1'),
  ),
  repeated(
    'set-mem-table',
    'SET_MEM_TABLE with a descriptor each time',
    send('SET_MEM_TABLE', memoryTable([wholeRegion]), 'ma'),
  ),
  repeated('set-vring-addr', 'SET_VRING_ADDR of a ring that runs', send('SET_VRING_ADDR', addressOf(tx))),
  repeated(
    'enable-and-disable',
    'a queue that is disabled and enabled',
    ...[0, 1].map((on) => send('SET_VRING_ENABLE', vringState(tx, on))),
  ),
  repeated('get-features', 'GET_FEATURES', ...answered('GET_FEATURES')),
  repeated('get-protocol-features', 'GET_PROTOCOL_FEATURES', ...answered('GET_PROTOCOL_FEATURES')),
  repeated('get-queue-num', 'GET_QUEUE_NUM', ...answered('GET_QUEUE_NUM')),
  repeated('set-owner', 'SET_OWNER', send('SET_OWNER')),
  repeated('reset-owner', 'RESET_OWNER', send('RESET_OWNER')),
  {
    id: 'repeat/get-status',
    about: 'GET_STATUS',
    script: [
      ...handshake({ protocolFeatures: protocol.replyAck | protocol.status }),
      `repeat ${times}`,
      ...answered('GET_STATUS'),
      'end',
      'alive a',
    ],
    expect: stays,
    needsProtocol: protocol.status,
  },
  repeated(
    'stop-and-start',
    'a ring that is stopped and started with a new descriptor each time',
    send('GET_VRING_BASE', vringState(tx, 0)),
    'reply a',
    send('SET_VRING_KICK', u64(tx), 'ka1'),
  ),
  repeatedFirst(
    'set-vring-num',
    'SET_VRING_NUM',
    send('SET_VRING_NUM', vringState(tx, 1024)),
    send('SET_VRING_NUM', vringState(tx, 64)),
  ),
  repeatedFirst('set-vring-base', 'SET_VRING_BASE', send('SET_VRING_BASE', vringState(tx, 7))),
  repeatedFirst(
    'set-features',
    'SET_FEATURES',
    send('SET_FEATURES', u64(feature.version1 | feature.protocolFeatures)),
  ),
];

const eightFds = Array.from({ length: 8 }, () => 'ka1');

const refusals: readonly HostileCase[] = [
  {
    id: 'repeat/refused-inflight',
    about: 'a thousand connections, each ended by a message of the inflight kind that carries a descriptor',
    script: [
      ...begin(),
      'repeat 1000',
      'connect a attacker',
      `send a ${message(requests.SET_INFLIGHT_FD, `${u64(0x1000)}${u64(0)}ffff4000`)} ma`,
      'closed a',
      'end',
    ],
    expect: ends('USV_MESSAGE'),
  },
  {
    id: 'repeat/refused-memory',
    about: 'a thousand connections, each ended by eight regions of which the last one lies',
    script: [
      ...begin(),
      'repeat 1000',
      'connect a attacker',
      [
        send(
          'SET_MEM_TABLE',
          memoryTable(
            Array.from({ length: 8 }, (_, index) => ({
              guest: BigInt(index) * 0x1000n,
              user: BigInt(index) * 0x1000n,
              size: 0x1000n,
              offset: index === 7 ? 1n << 40n : 0n,
            })),
          ),
          ...Array.from({ length: 8 }, () => 'ma'),
        ),
      ].join(''),
      'closed a',
      'end',
    ],
    expect: ends('USV_REGION'),
  },
];

const floods: readonly HostileCase[] = [
  {
    id: 'flood/connections',
    about: 'a thousand connections while one is open: each is closed, and the first one goes on',
    script: [
      ...handshake(),
      ...goodFrames(1),
      'repeat 1000',
      'connect b attacker',
      'closed b',
      'end',
      'offer a1 0',
      kick(tx),
      'taken a1 a',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'flood/connections-one-after-the-other',
    about: 'a thousand connections that end as soon as they are made',
    script: ['repeat 1000', 'connect a attacker', 'hangup a', 'end'],
    expect: stays,
  },
  {
    id: 'flood/handshakes',
    about: 'a hundred whole handshakes, each left without a word',
    script: ['repeat 100', ...handshake(), 'hangup a', 'end'],
    expect: stays,
  },
  {
    id: 'flood/second-speaks',
    about: 'a second connection that sends a whole handshake without waiting for an answer',
    script: [
      ...handshake(),
      'connect b attacker',
      ...[...negotiate(), ...startQueue(tx)]
        .filter((step) => step.startsWith('send '))
        .map((step) => step.replace('send a', 'send b')),
      'closed b',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'flood/descriptors',
    about: 'ten thousand messages with eight descriptors each, of which each takes none',
    script: [
      ...begin(),
      ...negotiate(),
      'repeat 10000',
      send('SET_OWNER', '', ...eightFds),
      'end',
      'closed a',
    ],
    expect: ends('USV_MESSAGE'),
  },
  {
    id: 'flood/descriptors-one-connection-each',
    about: 'a thousand connections with 253 descriptors in the first message',
    script: [
      'file spare eventfd',
      'repeat 1000',
      'connect a attacker',
      `send a ${message('GET_FEATURES')} ${Array.from({ length: 253 }, () => 'spare').join(' ')}`,
      'closed a',
      'end',
    ],
    expect: ends('USV_MESSAGE'),
  },
  {
    id: 'flood/answers-that-nobody-reads',
    about: 'requests without end, whose answers are not read',
    script: [...begin(), 'repeat 20000', send('GET_FEATURES'), 'end', 'closed a'],
    expect: ends('USV_MESSAGE', 'reads its answers'),
  },
  {
    id: 'flood/answers-while-rings-run',
    about: 'the same while the rings run',
    script: [...handshake(), 'repeat 20000', send('GET_VRING_BASE', vringState(0, 0)), 'end', 'closed a'],
    expect: ends('USV_MESSAGE', 'reads its answers'),
  },
  {
    id: 'flood/pipelined',
    about: 'ten thousand messages in one stretch',
    script: [...begin(), `send a ${message('SET_OWNER').repeat(10_000)}`, 'alive a'],
    expect: stays,
  },
  {
    id: 'flood/garbage',
    about: '64 KiB of zeroes',
    script: [...begin(), `send a ${'00'.repeat(65_536)}`, 'closed a'],
    expect: either('USV_MESSAGE', 'USV_IO'),
  },
];

export const repeatCases: readonly HostileCase[] = [...repeats, ...refusals, ...floods];
