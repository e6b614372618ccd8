// SPDX-License-Identifier: Apache-2.0
//
// The course of a timed run against a clock that stands still until somebody waits.

import { expect, test } from '@jest/globals';
import { runTraffic, type TrafficClock, type TrafficTarget } from '../../../dataplane/traffic-run.ts';

interface Course {
  readonly clock: TrafficClock;
  readonly target: TrafficTarget;
  /** What was done, in order, each with its time. */
  readonly events: string[];
}

/** `received`: the counter at a time in milliseconds. */
function course(received: (now: number) => number): Course {
  const events: string[] = [];
  let now = 1000;
  return {
    events,
    clock: {
      now: () => now,
      wait: async (millis) => {
        events.push(`wait ${millis}`);
        now += millis;
      },
    },
    target: {
      setRunning: (running) => void events.push(`running ${running} at ${now}`),
      report: () => ({ ports: {}, engine: { sent: 500, received: received(now), corrupted: 1 } }),
    },
  };
}

test('sends for the time given, then waits until nothing comes in any more', async () => {
  const { clock, target, events } = course((now) => Math.min(now, 3250));
  expect(await runTraffic(target, 2, clock)).toEqual({ sent: 500, received: 3250, corrupted: 1, seconds: 2 });
  expect(events).toEqual([
    'running true at 1000',
    'wait 2000',
    'running false at 3000',
    // 3000, 3100, 3200 and 3250 are new, the second 3250 is not.
    ...Array.from({ length: 4 }, () => 'wait 100'),
  ]);
});

test('a peer that goes on sending is not waited for without end', async () => {
  const { clock, target, events } = course((now) => now);
  await runTraffic(target, 1, clock);
  expect(events.filter((event) => event === 'wait 100')).toHaveLength(20);
});

test('an engine that counts nothing has sent and received nothing', async () => {
  const { clock } = course(() => 0);
  const target: TrafficTarget = { setRunning: () => undefined, report: () => ({ ports: {}, engine: {} }) };
  expect(await runTraffic(target, 1, clock)).toEqual({ sent: 0, received: 0, corrupted: 0, seconds: 1 });
});

test('the seconds are those that passed, not those that were asked for', async () => {
  const { target } = course(() => 0);
  let now = 0;
  // Aborted after a quarter of a second: this wait and all later ones are over at once.
  const clock = { now: () => now, wait: async () => void (now = 250) };
  expect(await runTraffic(target, 0, clock)).toMatchObject({ seconds: 0.25 });
});
