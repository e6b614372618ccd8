// SPDX-License-Identifier: Apache-2.0
//
// Class `fds`: too few descriptors, too many, at the wrong place, of the wrong kind.

import { type Expectation, either, ends, type HostileCase, stays } from '../case.ts';
import { begin, handshake, memorySize, negotiate, send, vringState, wholeRegion } from '../front-end.ts';
import { memoryTable, message, u64 } from '../wire.ts';

interface Words {
  readonly id: string;
  readonly about: string;
  readonly steps: readonly string[];
  /** Default: the connection ends with USV_MESSAGE. */
  readonly expect?: Expectation;
  /** Default: the switch ends the connection. */
  readonly last?: string;
}

/** After the features, before any queue has been started. */
function fresh({ id, about, steps, expect = ends('USV_MESSAGE'), last = 'closed a' }: Words): HostileCase {
  return { id: `fds/${id}`, about, script: [...begin(), ...negotiate(), ...steps, last], expect };
}

const spare = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `file spare${index} eventfd`);
const spares = (count: number): string[] => Array.from({ length: count }, (_, index) => `spare${index}`);
const vringNum = send('SET_VRING_NUM', vringState(1, 64));
const noFdBit = 0x100;

const tooFew: readonly HostileCase[] = [
  fresh({
    id: 'kick-without',
    about: 'SET_VRING_KICK without a descriptor',
    steps: [vringNum, send('SET_VRING_KICK', u64(1))],
  }),
  fresh({
    id: 'kick-to-be-polled',
    about: 'SET_VRING_KICK that asks for polling instead of a descriptor',
    steps: [vringNum, send('SET_VRING_KICK', u64(1 | noFdBit))],
  }),
  fresh({
    id: 'call-without',
    about: 'SET_VRING_CALL without a descriptor',
    steps: [send('SET_VRING_CALL', u64(1))],
  }),
  fresh({
    id: 'err-without',
    about: 'SET_VRING_ERR without a descriptor',
    steps: [send('SET_VRING_ERR', u64(1))],
  }),
  fresh({
    id: 'memory-without',
    about: 'SET_MEM_TABLE without a descriptor',
    steps: [send('SET_MEM_TABLE', memoryTable([wholeRegion]))],
  }),
  fresh({
    id: 'memory-one-less',
    about: 'two regions, one descriptor',
    steps: [send('SET_MEM_TABLE', memoryTable([wholeRegion, { ...wholeRegion, guest: 0n, user: 0n }]), 'ma')],
  }),
];

const surplus = (name: string, bytes: string, count: number): HostileCase =>
  fresh({
    id: `${name}-with-${count}`,
    about: `${name.replaceAll('-', ' ')} with ${count} descriptors`,
    steps: [...spare(count), ['send a', bytes, ...spares(count)].join(' ')],
  });

const tooMany: readonly HostileCase[] = [
  surplus('get-features', message('GET_FEATURES'), 1),
  surplus('get-features', message('GET_FEATURES'), 8),
  surplus('get-features', message('GET_FEATURES'), 9),
  surplus('get-features', message('GET_FEATURES'), 253),
  surplus('set-owner', message('SET_OWNER'), 1),
  surplus('set-protocol-features', message('SET_PROTOCOL_FEATURES', u64(0)), 1),
  surplus('set-vring-num', message('SET_VRING_NUM', vringState(1, 64)), 1),
  surplus('set-vring-enable', message('SET_VRING_ENABLE', vringState(1, 1)), 2),
  surplus('set-vring-call', message('SET_VRING_CALL', u64(1)), 2),
  surplus('set-vring-err', message('SET_VRING_ERR', u64(1)), 8),
  surplus('call-that-says-none', message('SET_VRING_CALL', u64(1 | noFdBit)), 1),
  surplus('get-vring-base', message('GET_VRING_BASE', vringState(1, 0)), 253),
  fresh({
    id: 'memory-one-more',
    about: 'one region, two descriptors',
    steps: [send('SET_MEM_TABLE', memoryTable([wholeRegion]), 'ma', 'ma')],
  }),
  fresh({
    id: 'memory-eight-more',
    about: 'one region, nine descriptors',
    steps: [send('SET_MEM_TABLE', memoryTable([wholeRegion]), ...Array.from({ length: 9 }, () => 'ma'))],
  }),
  fresh({
    id: 'in-the-payload',
    about: 'descriptors with the header and again with the payload, twice as many as the message takes',
    steps: [
      ...spare(1),
      vringNum,
      `send a ${message('SET_VRING_KICK', u64(1)).slice(0, 24)} spare0`,
      `send a ${u64(1)} spare0`,
    ],
  }),
  fresh({
    id: 'with-every-byte',
    about: 'a descriptor with each byte of a message',
    steps: [
      ...spare(1),
      ...(message('SET_FEATURES', u64(0)).match(/../g) ?? []).map((byte) => `send a ${byte} spare0`),
    ],
  }),
  fresh({
    id: 'kept-back-header',
    about: 'eight descriptors with half a header, then the end of the connection',
    steps: [...spare(8), `send a ${message('GET_FEATURES').slice(0, 10)} ${spares(8).join(' ')}`],
    last: 'hangup a',
  }),
];

const notEvents = ['pipe', 'pipe-reader', 'broken-pipe', 'socket', 'null', 'directory', 'epoll', 'timer'];

const wrongEvents = notEvents.flatMap((kind) =>
  (['kick', 'call'] as const).map((which) =>
    fresh({
      id: `${which}-is-${kind}`,
      about: `a ${which} descriptor of the kind ${kind}`,
      steps: [
        `file other ${kind}`,
        vringNum,
        send(which === 'kick' ? 'SET_VRING_KICK' : 'SET_VRING_CALL', u64(1), 'other'),
      ],
    }),
  ),
);

const notMemory: readonly (readonly [string, Expectation])[] = [
  ['pipe', ends('USV_REGION')],
  ['socket', ends('USV_REGION')],
  ['null', ends('USV_REGION')],
  ['zero', ends('USV_REGION')],
  ['directory', ends('USV_REGION')],
  ['eventfd', ends('USV_REGION')],
  ['program', ends('USV_REGION')],
  [`memfd 0`, ends('USV_REGION')],
  [`readonly ${memorySize}`, ends('USV_REGION')],
  [`unwritable ${memorySize}`, ends('USV_REGION')],
  [`path ${memorySize}`, ends('USV_REGION')],
];

const wrongMemory = notMemory.map(([kind, expect]) =>
  fresh({
    id: `memory-is-${kind.replace(/ .*/, kind.endsWith(' 0') ? '-empty' : '')}`,
    about: `memory of the kind ${kind.replace(/ .*/, '')}`,
    steps: [`file other ${kind}`, send('SET_MEM_TABLE', memoryTable([wholeRegion]), 'other')],
    expect,
  }),
);

const running: readonly HostileCase[] = [
  {
    id: 'fds/one-for-everything',
    about: 'one eventfd as kick and call of both queues',
    script: [
      ...handshake(),
      ...[0, 1].flatMap((queue) => [
        send('SET_VRING_CALL', u64(queue), 'ka1'),
        send('SET_VRING_KICK', u64(queue), 'ka1'),
      ]),
      'signal ka1',
      'alive a',
    ],
    expect: stays,
  },
  {
    id: 'fds/second-kick',
    about: 'another kick descriptor for a ring that runs',
    script: [
      ...handshake(),
      ...spare(1),
      send('SET_VRING_KICK', u64(1), 'spare0'),
      'signal spare0',
      'settle a',
    ],
    expect: either('USV_MESSAGE'),
  },
];

export const descriptorCases: readonly HostileCase[] = [
  ...tooFew,
  ...tooMany,
  ...wrongEvents,
  ...wrongMemory,
  ...running,
];
