// SPDX-License-Identifier: Apache-2.0
//
// When the condition of the node is written, with a clock of its own.

import { beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { ApiRequest } from '../../../../agent/kubernetes/api.ts';
import { NodeCondition } from '../../../../agent/kubernetes/node-condition.ts';
import { usvFailure } from '../../../../lib/errors.ts';
import { FakeClock } from './fake-clock.ts';

let clock: FakeClock;
let written: { status: string; reason: string; lastHeartbeatTime: string; lastTransitionTime: string }[];
let requests: ApiRequest[];
let before: object[];
let away: boolean;
let warnings: string[];
let condition: NodeCondition;

beforeEach(() => {
  clock = new FakeClock();
  written = [];
  requests = [];
  before = [];
  away = false;
  warnings = [];
  condition = new NodeCondition({
    api: {
      request: async (request) => {
        requests.push(request);
        if (away) throw usvFailure('USV_KUBERNETES', 'away');
        if (request.method === 'PATCH')
          written.push(
            (request.body as { status: { conditions: [(typeof written)[0]] } }).status.conditions[0],
          );
        return { status: 200, body: { status: { conditions: before } } };
      },
    },
    nodeName: 'node-1',
    clock,
    log: pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) }),
  });
});

const statuses = (): string[] => written.map(({ status }) => status);

test('a switch that is there is said at once, then every five minutes with the time of the change', async () => {
  condition.set(true);
  await clock.settle();
  expect(requests[1]).toMatchObject({
    method: 'PATCH',
    path: '/api/v1/nodes/node-1/status',
    contentType: 'application/strategic-merge-patch+json',
  });
  expect(written).toEqual([
    {
      type: 'UsvhostSwitchReady',
      status: 'True',
      reason: 'SwitchReachable',
      message: 'the switch answers the agent',
      lastHeartbeatTime: '2026-11-26T09:00:00Z',
      lastTransitionTime: '2026-11-26T09:00:00Z',
    },
  ]);
  await clock.pass(10 * 60_000 + 10_000);
  expect(statuses()).toEqual(['True', 'True', 'True']);
  expect(written[2]?.lastTransitionTime).toBe('2026-11-26T09:00:00Z');
  expect(written[2]?.lastHeartbeatTime).toBe('2026-11-26T09:10:02Z');
});

test('a switch that nobody has seen after five seconds does not answer', async () => {
  await clock.pass(4999);
  expect(requests).toEqual([]);
  await clock.pass(1);
  expect(written).toMatchObject([{ status: 'False', reason: 'SwitchUnreachable' }]);
});

test('what an agent before has left counts as before', async () => {
  before = [{ type: 'UsvhostSwitchReady', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  condition.set(true);
  await clock.pass(2000);
  condition.set(false);
  await clock.pass(2000);
  expect(written.map(({ lastTransitionTime }) => lastTransitionTime)).toEqual([
    '2026-01-01T00:00:00Z',
    '2026-11-26T09:00:02Z',
  ]);
});

test('a switch that comes and goes costs a request a second, and the last word is the true one', async () => {
  for (let n = 0; n < 100; n++) {
    condition.set(n % 2 === 0);
    await clock.pass(50);
  }
  await clock.pass(2000);
  expect(written.length).toBeLessThanOrEqual(8);
  expect(statuses().at(-1)).toBe('False');
});

test('while the API server is away it is asked in pauses that double, with one warning, and then gets the newest', async () => {
  away = true;
  condition.set(true);
  await clock.pass(60_000);
  expect(requests.length).toBeLessThanOrEqual(7);
  expect(warnings).toHaveLength(1);
  condition.set(false);
  away = false;
  await clock.pass(60_000);
  expect(statuses()).toEqual(['False']);
});

test('an agent that stops leaves Unknown, and nothing where it has never written', async () => {
  condition.set(true);
  await clock.settle();
  await condition.close();
  expect(written[1]).toMatchObject({ status: 'Unknown', reason: 'AgentStopped' });
});

test('an agent that stops before it has written leaves nothing', async () => {
  await condition.close();
  expect(requests).toEqual([]);
});
