// SPDX-License-Identifier: Apache-2.0
//
// The loop that gives bursts to a handler: decisions, what is thrown, what comes too late, and its turns.

import { describe, expect, test } from '@jest/globals';
import { BurstLoop } from '../../../dataplane/bursts.ts';
import type { Burst, Frame } from '../../../dataplane/packet-api.ts';
import { ethernet } from './packets.ts';
import { SharedBursts } from './shared-bursts.ts';

const frame = ethernet(0x88b5, [1, 2, 3]);

function loop(bursts: SharedBursts, onBurst: (burst: Burst) => unknown, ports = 2) {
  const errors: unknown[] = [];
  const handler = { onBurst: (burst: Burst) => onBurst(burst) as undefined };
  return { errors, loop: new BurstLoop(bursts, { ports, handler, onError: (error) => errors.push(error) }) };
}

/** The verdicts on one burst of four frames. */
function verdicts(port: number, ports: number, decide: (frame: Frame) => void): number[] | undefined {
  const bursts = new SharedBursts();
  bursts.publish(port, frame, frame, frame, frame);
  const { loop: one, errors } = loop(bursts, (burst) => [...burst].forEach((each) => decide(each)), ports);
  one.turn();
  expect(errors).toEqual([]);
  return bursts.decided[0]?.frames.map(({ verdict }) => verdict);
}

test.each([
  ['nothing', 0, 2, () => undefined, -1],
  ['drop', 1, 2, (f: Frame) => f.drop(), -1],
  ['reply', 1, 2, (f: Frame) => f.reply(), 1],
  ['forward', 1, 2, (f: Frame) => f.forward(), 0],
  ['forward', 0, 2, (f: Frame) => f.forward(), 1],
  ['forward, one port', 0, 1, (f: Frame) => f.forward(), 0],
  ['send', 0, 2, (f: Frame) => f.send(1), 1],
  ['the last word', 0, 2, (f: Frame) => [f.send(1), f.drop(), f.reply()], 0],
  ['a drop at last', 0, 2, (f: Frame) => [f.reply(), f.drop()], -1],
])('%s, from port %d of %d', (_, port, ports, decide, verdict) => {
  expect(verdicts(port, ports, decide)).toEqual([verdict, verdict, verdict, verdict]);
});

test('a burst has its frames in order, once, and again', () => {
  const bursts = new SharedBursts();
  bursts.publish(1, ethernet(1, []), ethernet(2, []), ethernet(3, []));
  const seen: unknown[] = [];
  const { loop: one, errors } = loop(bursts, (burst) => {
    for (let times = 0; times < 2; times++) for (const { etherType } of burst) seen.push(etherType);
    seen.push(burst.length, burst.port, burst.at(2).etherType);
    burst.at(3);
  });
  one.turn();
  expect(seen).toEqual([1, 2, 3, 1, 2, 3, 3, 1, 3]);
  expect(String(errors)).toContain('USV_HANDLER: expected an index below 3 for at() of a burst, got 3');
});

describe('what goes wrong drops the burst and not the next one', () => {
  test.each([
    [
      'a thrown error',
      () => {
        throw new Error('x');
      },
      'x',
    ],
    ['a promise', () => Promise.resolve(), 'expected no promise for the result of onBurst(), got one'],
    [
      'a port that is not there',
      (burst: Burst) => burst.at(0).send(2),
      'expected 0 to 1 for port of send(), got 2',
    ],
    ['a half port', (burst: Burst) => burst.at(0).send(0.5), 'got 0.5'],
  ])('%s', (_, onBurst, says) => {
    const bursts = new SharedBursts();
    bursts.publish(0, frame);
    bursts.publish(0, frame);
    let wrong = true;
    const { loop: one, errors } = loop(bursts, (burst) => {
      burst.at(0).reply();
      if (!wrong) return undefined;
      wrong = false;
      return onBurst(burst);
    });
    expect(one.turn()).toBe(false);
    expect(bursts.decided.map(({ failed }) => failed)).toEqual([true, false]);
    expect(errors).toHaveLength(1);
    expect(String(errors[0])).toContain(says);
  });

  test('a decision after the burst', () => {
    const bursts = new SharedBursts();
    bursts.publish(0, frame);
    let kept: Frame | undefined;
    loop(bursts, (burst) => {
      kept = burst.at(0);
    }).loop.turn();
    for (const late of [
      () => kept?.reply(),
      () => kept?.drop(),
      () => Object.assign(kept ?? {}, { length: 20 }),
    ])
      expect(late).toThrow('got one afterwards');
  });
});

test('a turn ends after sixteen bursts, though there are more', () => {
  const bursts = new SharedBursts();
  const { loop: one } = loop(bursts, () => {
    // Another one comes while this one is decided on.
    bursts.publish(0, frame);
  });
  bursts.publish(0, frame);
  expect(one.turn()).toBe(true);
  expect(bursts.decided).toHaveLength(16);
});
