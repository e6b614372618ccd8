// SPDX-License-Identifier: Apache-2.0
//
// What the recorder asks of an API server, with a clock of its own: series, limits, an API server that is away.

import { beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { ApiAnswer, ApiRequest } from '../../../../agent/kubernetes/api.ts';
import { EventRecorder, type EventResult } from '../../../../agent/kubernetes/event-recorder.ts';
import { usvFailure } from '../../../../lib/errors.ts';
import { FakeClock } from './fake-clock.ts';

const pod = (n = 1) => ({ namespace: 'apps', name: `web-${n}`, uid: `uid-${n}` });
const news = (subject = 'net1', note = 'net1: gone') => ({ reason: 'PortLost', subject, note }) as const;
const created: ApiAnswer = { status: 201, body: {} };

let clock: FakeClock;
let requests: ApiRequest[];
let answers: (ApiAnswer | 'away')[];
let results: Partial<Record<EventResult, number>>;

beforeEach(() => {
  clock = new FakeClock();
  requests = [];
  answers = [];
  results = {};
});

function recorder(more: object = {}): EventRecorder {
  return new EventRecorder({
    api: {
      request: async (request) => {
        requests.push(request);
        const answer = answers.shift() ?? created;
        if (answer === 'away') throw usvFailure('USV_KUBERNETES', 'away');
        return answer;
      },
    },
    nodeName: 'node-1',
    clock,
    log: pino({ level: 'silent' }),
    count: (result) => {
      results[result] = (results[result] ?? 0) + 1;
    },
    ...more,
  });
}

test('writes an event as events.k8s.io/v1 has it', async () => {
  recorder().tell(pod(), news('net1', 'net1:\u001b[0m gone'));
  await clock.settle();
  expect(requests).toMatchObject([
    {
      method: 'POST',
      path: '/apis/events.k8s.io/v1/namespaces/apps/events',
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { name: expect.stringMatching(/^web-1\.[0-9a-f]{16}$/), namespace: 'apps' },
        eventTime: '2026-11-26T09:00:00.000000Z',
        reportingController: 'usvhost-agent',
        reportingInstance: 'node-1',
        type: 'Warning',
        action: 'Connect',
        reason: 'PortLost',
        note: 'net1: [0m gone',
        regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'apps', name: 'web-1', uid: 'uid-1' },
      },
    },
  ]);
  expect(requests[0]?.body).not.toHaveProperty('series');
  expect(results).toEqual({ written: 1 });
});

test('names and instances keep the limits of the API', async () => {
  recorder({ nodeName: 'n'.repeat(253) }).tell(
    { ...pod(), name: 'p'.repeat(253) },
    news('x', 'y'.repeat(5000)),
  );
  await clock.settle();
  const body = requests[0]?.body as { metadata: { name: string }; reportingInstance: string; note: string };
  expect(body.metadata.name.length).toBeLessThanOrEqual(253);
  expect(body.reportingInstance).toHaveLength(128);
  expect(Buffer.byteLength(body.note)).toBeLessThanOrEqual(1024);
});

test('what is the same is counted in a series, whatever its words, and begins anew after a pause', async () => {
  const events = recorder();
  events.tell(pod(), news());
  await clock.pass(1000);
  events.tell(pod(), news('net1', 'other words'));
  await clock.pass(1000);
  const first = requests[0]?.body as { metadata: { name: string } };
  expect(requests[1]).toMatchObject({
    method: 'PATCH',
    path: `/apis/events.k8s.io/v1/namespaces/apps/events/${first.metadata.name}`,
    contentType: 'application/merge-patch+json',
    body: { series: { count: 2, lastObservedTime: '2026-11-26T09:00:01.000000Z' } },
  });
  events.tell(pod(), news('net2'));
  await clock.pass(10 * 60_000 + 1);
  events.tell(pod(), news());
  await clock.settle();
  expect(requests.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'POST', 'POST']);
});

test('what happens while one waits goes along with it', async () => {
  answers = ['away'];
  const events = recorder();
  events.tell(pod(), news());
  await clock.settle();
  for (let n = 0; n < 100; n++) events.tell(pod(), news());
  await clock.pass(5000);
  expect(requests).toHaveLength(2);
  expect(requests[1]?.body).toMatchObject({ series: { count: 101 } });
  expect(results).toEqual({ written: 1 });
});

test('a pod that flaps has 25 at once and one in five minutes, and the others are not kept back by it', async () => {
  const events = recorder();
  for (let n = 0; n < 200; n++) {
    events.tell(pod(), news());
    await clock.settle();
  }
  await clock.pass(10_000);
  expect(requests).toHaveLength(25);
  expect(results).toEqual({ written: 25, limited: 175 });
  events.tell(pod(2), news());
  await clock.pass(1000);
  expect(requests).toHaveLength(26);
  await clock.pass(300_000);
  events.tell(pod(), news());
  await clock.pass(1000);
  // The count is of all of them.
  expect(requests[26]?.body).toMatchObject({ series: { count: 201 } });
});

test('a node writes at most ten in a second after its first fifty', async () => {
  const events = recorder();
  for (let n = 0; n < 200; n++) events.tell(pod(n), news());
  await clock.settle();
  expect(requests).toHaveLength(50);
  await clock.pass(1000);
  expect(requests.length).toBeLessThanOrEqual(61);
  await clock.pass(20_000);
  expect(requests).toHaveLength(200);
});

test('an API server that is away costs the oldest, in bounded memory, with pauses that double', async () => {
  answers = Array.from({ length: 1000 }, () => 'away');
  const events = recorder({ maxWaiting: 4 });
  for (let n = 0; n < 10; n++) events.tell(pod(n), news());
  await clock.pass(60_000);
  // 1, 2, 4, 8, 16, 32 s.
  expect(requests.length).toBeLessThanOrEqual(7);
  answers = [];
  await clock.pass(120_000);
  expect(results).toEqual({ written: 4, overflow: 6 });
  const names = requests
    .slice(-4)
    .map(({ body }) => (body as { regarding: { name: string } }).regarding.name);
  expect(names.toSorted()).toEqual(['web-6', 'web-7', 'web-8', 'web-9']);
});

test('what the server will never take is dropped; what it may take later is tried again', async () => {
  answers = [{ status: 403, body: { message: 'because it is being terminated' } }];
  const events = recorder();
  events.tell(pod(), news());
  await clock.pass(5000);
  expect(results).toEqual({ refused: 1 });
  answers = [
    { status: 429, body: undefined },
    { status: 503, body: undefined },
  ];
  events.tell(pod(2), news());
  await clock.pass(10_000);
  expect(results).toEqual({ refused: 1, written: 1 });
});

test('an answer that was lost makes no second event, and one whose time is over is written again', async () => {
  answers = ['away', { status: 409, body: {} }, { status: 404, body: {} }];
  const events = recorder();
  events.tell(pod(), news());
  await clock.pass(5000);
  events.tell(pod(), news());
  await clock.pass(5000);
  expect(requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'PATCH', 'POST']);
  expect(requests[3]?.body).toMatchObject({ series: { count: 2 } });
});

test('close gives what waits a moment, and no more', async () => {
  answers = Array.from({ length: 100 }, () => 'away');
  const events = recorder({ closeMillis: 500 });
  events.tell(pod(), news());
  await clock.settle();
  const closed = events.close();
  await clock.pass(1000);
  await closed;
  events.tell(pod(2), news());
  await clock.pass(60_000);
  expect(requests).toHaveLength(1);
});
