// SPDX-License-Identifier: Apache-2.0
//
// Class `reset`: RESET_DEVICE in every order with what starts and stops rings.

import { type Expectation, either, ends, type HostileCase, stays } from '../case.ts';
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
import { feature, memoryTable, protocol, region, u64 } from '../wire.ts';
import { permutations } from './permutations.ts';

const resetting = {
  protocolFeatures: protocol.replyAck | protocol.status | protocol.resetDevice | protocol.memSlots,
};
const resetNow = send('RESET_DEVICE');
const features = send('SET_FEATURES', u64(feature.version1 | feature.protocolFeatures));

function reset(id: string, about: string, steps: readonly string[], expect: Expectation): HostileCase {
  return {
    id: `reset/${id}`,
    about,
    script: [
      ...steps,
      expect.kind === 'ends' ? 'closed a' : expect.kind === 'stays' ? 'alive a' : 'settle a',
    ],
    expect,
    needsProtocol: protocol.resetDevice | protocol.status | protocol.memSlots,
  };
}

/** RESET_DEVICE among four others in every order; one case for each that comes first. */
const parts = {
  reset: resetNow,
  features,
  kick: send('SET_VRING_KICK', u64(tx), 'ka1'),
  address: send('SET_VRING_ADDR', addressOf(tx)),
  stop: send('GET_VRING_BASE', vringState(tx, 0)),
};
const orders = Object.entries(parts).map(([first, step]) =>
  reset(
    `every-order-from-${first}`,
    `all orders of a reset, features, kick, address and stop on a ring that runs which begin with the ${first}`,
    permutations(Object.values(parts).filter((other) => other !== step)).flatMap((rest) => [
      ...handshake(resetting),
      ...goodFrames(1),
      step,
      ...rest,
      'offer a1 0',
      kick(tx),
      'settle a',
    ]),
    either('USV_MESSAGE', 'USV_IO'),
  ),
);

const slot = u64(0) + region(wholeRegion);
const resets: readonly HostileCase[] = [
  reset('first', 'RESET_DEVICE before anything else', [...begin(), ...negotiate(resetting), resetNow], stays),
  reset(
    'twice',
    'RESET_DEVICE twice on rings that run',
    [...handshake(resetting), resetNow, resetNow],
    stays,
  ),
  reset(
    'under-traffic',
    'two hundred resets, each with a new start of the rings and frames behind it',
    [
      ...handshake(resetting),
      ...goodFrames(4),
      'repeat 200',
      resetNow,
      features,
      ...startQueue(0),
      ...startQueue(1),
      'traffic a a1 ka1 8 4',
      'end',
    ],
    stays,
  ),
  reset(
    'with-frames-offered',
    'a reset with a ring full of frames, and kicks behind it',
    [
      ...handshake(resetting),
      ...goodFrames(16),
      ...Array.from({ length: 64 }, (_, index) => `offer a1 ${index % 16}`),
      resetNow,
      'repeat 100',
      kick(tx),
      'end',
    ],
    stays,
  ),
  reset(
    'rings-without-features',
    'rings that are started after a reset without any feature',
    [...handshake(resetting), resetNow, ...startQueue(0), ...startQueue(1), 'offer a1 0', kick(tx)],
    either('USV_MESSAGE', 'USV_RING'),
  ),
  reset(
    'kick-alone',
    'SET_VRING_KICK after a reset, which has forgotten the size of the ring',
    [...handshake(resetting), resetNow, parts.kick],
    ends('USV_MESSAGE', 'after SET_VRING_NUM'),
  ),
  reset(
    'memory-stays',
    'a reset does not take the memory away: nothing else can be added in its place',
    [
      ...handshake(resetting),
      resetNow,
      send('ADD_MEM_REG', u64(0) + region({ ...wholeRegion, size: 0x1000n }), 'ma'),
    ],
    ends('USV_REGION', 'disjoint'),
  ),
  reset(
    'memory-removed-behind',
    'the memory is removed after a reset, and the rings are started without it',
    [...handshake(resetting), resetNow, features, send('REM_MEM_REG', slot), ...startQueue(tx), kick(tx)],
    stays,
  ),
  reset(
    'memory-removed-and-back',
    'reset, memory removed, rings started, memory back, a hundred times',
    [
      ...handshake(resetting),
      ...goodFrames(4),
      'repeat 100',
      resetNow,
      features,
      send('REM_MEM_REG', slot),
      ...startQueue(0),
      ...startQueue(1),
      send('ADD_MEM_REG', slot, 'ma'),
      'traffic a a1 ka1 8 4',
      'end',
    ],
    stays,
  ),
  reset(
    'table-behind',
    'a new memory table after a reset, before any ring',
    [...handshake(resetting), resetNow, send('SET_MEM_TABLE', memoryTable([wholeRegion]), 'ma'), features],
    stays,
  ),
  reset(
    'between-status',
    'device status, reset and status again while frames are offered',
    [
      ...handshake(resetting),
      ...goodFrames(4),
      'repeat 100',
      send('SET_STATUS', u64(0xf)),
      resetNow,
      send('SET_STATUS', u64(0)),
      'end',
      'offer a1 0',
      kick(tx),
    ],
    stays,
  ),
  reset(
    'ten-thousand-times',
    'RESET_DEVICE ten thousand times',
    [...begin(), ...negotiate(resetting), ...shareMemory(), 'repeat 10000', resetNow, 'end'],
    stays,
  ),
  reset(
    'with-descriptor',
    'RESET_DEVICE with a descriptor, for which it has no use',
    [...handshake(resetting), send('RESET_DEVICE', '', 'ka1')],
    ends('USV_MESSAGE'),
  ),
];

export const resetCases: readonly HostileCase[] = [...orders, ...resets];
