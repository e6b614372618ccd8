// SPDX-License-Identifier: Apache-2.0
//
// Pieces of scripts: a front-end that keeps the rules up to the point where a case breaks them. The numbers of its memory are
// fixed, so that a case can name any address.

import {
  type Descriptor,
  descriptor,
  descriptorFlags,
  feature,
  flags,
  frame,
  memoryTable,
  message,
  protocol,
  type Region,
  type RequestName,
  ringAddress,
  u32,
  u64,
} from './wire.ts';

/** Guest addresses stand in descriptors, user addresses in SET_VRING_ADDR only; both are any numbers that we like. */
export const guestBase = 0x10_0000_0000n;
export const userBase = 0x70_0000_0000n;
export const memorySize = 0x4_0000;
export const queueSize = 64;

export const rx = 0;
export const tx = 1;
export type Queue = typeof rx | typeof tx;

/** Offsets of the areas of the first pair's rings in the memory file. */
export const areas = [
  { desc: 0x0000, avail: 0x0400, used: 0x0800 },
  { desc: 0x1000, avail: 0x1400, used: 0x1800 },
] as const;
/** Queue pairs that the switch has at most; queue 2i receives, queue 2i + 1 transmits. */
export const mostPairs = 8;
/** The same of any queue below 16: those of further pairs lie behind the buffers. */
export function areasOf(queue: number): Readonly<Record<'desc' | 'avail' | 'used', number>> {
  if (queue === rx || queue === tx) return areas[queue];
  const at = 0x3_0000 + 0x1000 * queue;
  return { desc: at, avail: at + 0x400, used: at + 0x800 };
}
/** Where indirect tables go. */
export const tablesAt = 0x3000;
export const bufferSize = 2048;
const receives = (queue: number): boolean => queue % 2 === rx;
/** Buffers of a queue: 16 to receive, 64 to transmit. All pairs have the same. */
export const bufferAt = (queue: number, index: number): number =>
  (receives(queue) ? 0x8000 : 0x1_0000) + bufferSize * index;

export const guest = (offset: number): bigint => guestBase + BigInt(offset);
export const user = (offset: number): bigint => userBase + BigInt(offset);

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Configured at their ports, so that no frame between the two is flooded to others. */
export const attackerMac = '02:66:66:66:66:01';
export const neighbourMac = '02:00:00:00:00:0b';
export const canaryMacs = ['02:00:00:00:00:ca', '02:00:00:00:00:cb'] as const;
/** Bytes of the header before each frame (virtio 1.2, 5.1.6). */
export const headerBytes = 12;

/** Sends one message on connection `peer` (default the attacker's, `a`). */
export function send(request: RequestName | number, payload = '', ...files: readonly string[]): string {
  return ['send a', message(request, payload), ...files].join(' ');
}

export const wholeRegion: Region = {
  guest: guestBase,
  size: BigInt(memorySize),
  user: userBase,
  offset: 0n,
};

export interface FrontEndOptions {
  /** The connection: `a` to the attacker's port, `n` to the neighbour's. Default `a`. */
  readonly peer?: 'a' | 'n';
  /** Virtio features beside VERSION_1 and PROTOCOL_FEATURES. */
  readonly features?: bigint;
  readonly protocolFeatures?: bigint;
  /** Kind of memory file. Default `memfd`. */
  readonly memory?: string;
  /** Kinds of eventfd. Default `eventfd`. */
  readonly kick?: string;
  readonly call?: string;
  /** Queue pairs. Default 1. */
  readonly pairs?: number;
}

/** The queues of so many pairs, in order. */
export const queuesOf = (pairs: number): readonly number[] =>
  Array.from({ length: 2 * pairs }, (_, queue) => queue);

/** Names of what a front-end has, by its connection. */
export const names = (peer: string) => ({
  memory: `m${peer}`,
  ring: (queue: number) => `${peer}${queue}`,
  kick: (queue: number) => `k${peer}${queue}`,
  call: (queue: number) => `c${peer}${queue}`,
});

/** Connection, memory, eventfds and rings as files of the player; nothing is sent. */
export function begin(options: FrontEndOptions = {}): string[] {
  const { peer = 'a', memory = 'memfd', kick = 'eventfd', call = 'eventfd', pairs = 1 } = options;
  const name = names(peer);
  return [
    `connect ${peer} ${peer === 'a' ? 'attacker' : 'neighbour'}`,
    `file ${name.memory} ${memory} ${memorySize}`,
    ...queuesOf(pairs).flatMap((queue) => [
      `file ${name.kick(queue)} ${kick}`,
      `file ${name.call(queue)} ${call}`,
      ...(memory === 'memfd' || memory === 'sealed' || memory === 'shm'
        ? [
            `ring ${name.ring(queue)} ${name.memory} ${areasOf(queue).avail} ${areasOf(queue).used} ${queueSize}`,
          ]
        : []),
    ]),
  ];
}

/** Features up to SET_FEATURES. */
export function negotiate(options: FrontEndOptions = {}): string[] {
  const { peer = 'a', features = 0n, protocolFeatures = protocol.replyAck | protocol.mq } = options;
  const to = `send ${peer}`;
  return [
    `${to} ${message('GET_FEATURES')}`,
    `reply ${peer}`,
    `${to} ${message('GET_PROTOCOL_FEATURES')}`,
    `reply ${peer}`,
    `${to} ${message('SET_PROTOCOL_FEATURES', u64(protocolFeatures))}`,
    `${to} ${message('SET_OWNER')}`,
    `${to} ${message('SET_FEATURES', u64(feature.version1 | feature.protocolFeatures | features))}`,
  ];
}

/** SET_MEM_TABLE with one region, which must be acknowledged. */
export function shareMemory(options: FrontEndOptions = {}): string[] {
  const { peer = 'a' } = options;
  const bytes = message('SET_MEM_TABLE', memoryTable([wholeRegion]), {
    flags: flags.version1 | flags.needReply,
  });
  return [`send ${peer} ${bytes} ${names(peer).memory}`, `reply ${peer} ok`];
}

export const vringState = (index: number, value: number): string => u32(index) + u32(value);

/** The addresses of a ring, with what a case changes of them. */
export function addressOf(queue: number, changes: Partial<Parameters<typeof ringAddress>[0]> = {}): string {
  const { desc, avail, used } = areasOf(queue);
  return ringAddress({ index: queue, desc: user(desc), avail: user(avail), used: user(used), ...changes });
}

/** One queue from its size to its enabling. */
export function startQueue(queue: number, options: FrontEndOptions = {}): string[] {
  const { peer = 'a', features = 0n } = options;
  const to = `send ${peer}`;
  const name = names(peer);
  // Of a packed ring bit 15 is the wrap counter, 1 in the first round (vhost-user, "Vring descriptor indices for packed virtqueues").
  const base = (features & feature.packed) === 0n ? 0 : 0x8000;
  return [
    `${to} ${message('SET_VRING_NUM', vringState(queue, queueSize))}`,
    `${to} ${message('SET_VRING_BASE', vringState(queue, base))}`,
    `${to} ${message('SET_VRING_ADDR', addressOf(queue))}`,
    `${to} ${message('SET_VRING_CALL', u64(queue))} ${name.call(queue)}`,
    `${to} ${message('SET_VRING_KICK', u64(queue))} ${name.kick(queue)}`,
    `${to} ${message('SET_VRING_ENABLE', vringState(queue, 1))}`,
  ];
}

/** A whole correct handshake; the rings are empty and run. */
export function handshake(options: FrontEndOptions = {}): string[] {
  return [
    ...begin(options),
    ...negotiate(options),
    ...shareMemory(options),
    ...queuesOf(options.pairs ?? 1).flatMap((queue) => startQueue(queue, options)),
    `alive ${options.peer ?? 'a'}`,
  ];
}

export interface RingPlace {
  readonly peer?: 'a' | 'n';
  readonly queue: number;
}

/** Writes one descriptor into a ring's table. */
export function describe({ peer = 'a', queue }: RingPlace, index: number, value: Descriptor): string {
  const at = areasOf(queue).desc + 16 * index;
  return `bytes ${names(peer).memory} ${hex(at)} ${descriptor(value)}`;
}

/** A good buffer as descriptor `index`: to be received into, or the frame in it to be sent. */
export function goodBuffer(place: RingPlace, index: number, length?: number): string {
  const { queue } = place;
  return describe(place, index, {
    address: guest(bufferAt(queue, index)),
    length: length ?? (receives(queue) ? bufferSize : headerBytes + 60),
    flags: receives(queue) ? descriptorFlags.write : 0,
  });
}

/** A frame behind a header of zeroes in transmit buffer `index`. */
export function writeFrame(
  index: number,
  words: Partial<Parameters<typeof frame>[0]> = {},
  peer = 'a',
): string {
  const bytes = frame({ destination: neighbourMac, source: attackerMac, ...words });
  return `bytes ${names(peer).memory} ${hex(bufferAt(tx, index) + headerBytes)} ${bytes}`;
}

/** The attacker's first `count` transmit buffers hold good frames to the neighbour, described and not offered. */
export function goodFrames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => [
    writeFrame(index),
    goodBuffer({ queue: tx }, index),
  ]).flat();
}

/** Stores an avail index without looking at the entries. */
export const setAvail = (queue: number, index: number): string =>
  `store ma ${hex(areasOf(queue).avail + 2)} 2 ${hex(index)}`;

/** A correct front-end at the neighbour's port with 16 buffers in each of its receive queues. */
export function neighbour(options: Pick<FrontEndOptions, 'features' | 'pairs'> = {}): string[] {
  const { pairs = 1 } = options;
  return [
    ...handshake({ ...options, peer: 'n' }),
    ...queuesOf(pairs)
      .filter(receives)
      .flatMap((queue) =>
        Array.from({ length: 16 }, (_, index) => [
          goodBuffer({ peer: 'n', queue }, index),
          `offer n${queue} ${index}`,
        ]).flat(),
      ),
  ];
}

/** The neighbour sends `count` frames to `destination` (default: the attacker). */
export function neighbourSends(count: number, destination = attackerMac): string[] {
  return [
    writeFrame(0, { destination, source: neighbourMac }, 'n'),
    goodBuffer({ peer: 'n', queue: tx }, 0),
    `traffic n n1 kn1 ${count} 1`,
  ];
}

/** Kicks the attacker's queue. */
export const kick = (queue: number): string => `signal ka${queue}`;

/**
 * After each case: a front-end that keeps all rules connects to the attacker's port, and its frames arrive at a neighbour
 * byte by byte. `frames` false, of a back-end that is no switch: it only has to answer.
 */
export function goodFrontEnd(frames: boolean): string[] {
  const count = 4;
  if (!frames) return ['connect a attacker', ...negotiate(), 'alive a', 'hangup a'];
  return [
    ...neighbour(),
    ...handshake(),
    ...goodFrames(count),
    ...Array.from({ length: count }, (_, index) => `offer a1 ${index}`),
    kick(tx),
    'taken a1 a',
    `taken n0 n ${16 - count}`,
    ...Array.from(
      { length: count },
      (_, index) =>
        `compare mn ${hex(bufferAt(rx, index) + headerBytes)} ${frame({ destination: neighbourMac, source: attackerMac })}`,
    ),
    'alive a',
    'alive n',
    'hangup a',
    'hangup n',
  ];
}
