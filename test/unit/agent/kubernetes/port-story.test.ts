// SPDX-License-Identifier: Apache-2.0

import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { PortStory } from '../../../../agent/kubernetes/port-story.ts';
import type { Attachment } from '../../../../cni/attachment.ts';

const attachment = (port: string): Attachment => ({
  containerId: 'c',
  ifname: 'net1',
  port,
  device: 'port-0',
  network: 'fast',
  netns: '/ns',
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  endpoint: 'tap',
  podRole: 'client',
  state: 'ready',
  ipamConfig: null,
  podUid: port === 'nobody' ? null : 'uid',
  podNamespace: 'apps',
  podName: 'web',
  runtimeIfname: 'net1',
  deviceInfo: null,
});

let told: { reason: string; subject: string; note: string }[];
let ending: boolean;
let story: PortStory;
const reasons = (): string[] => told.map(({ reason }) => reason);

beforeEach(() => {
  jest.useFakeTimers();
  told = [];
  ending = false;
  story = new PortStory({
    attachmentOf: (port) => (port === 'stranger' ? undefined : attachment(port)),
    isEnding: () => ending,
    tell: (pod, news) => {
      expect(pod).toEqual({ namespace: 'apps', name: 'web', uid: 'uid' });
      told.push(news);
    },
  });
});

afterEach(() => {
  story.close();
  jest.useRealTimers();
});

test('connected, lost, recovered', () => {
  story.replace(new Map());
  story.change('p1', 'listening', 'added');
  story.change('p1', 'handshake');
  story.change('p1', 'up');
  expect(reasons()).toEqual(['PortConnected']);
  expect(told[0]?.note).toBe('net1: a driver is connected to the port p1 of the network fast');
  story.change('p1', 'listening', 'the front-end disconnected');
  jest.advanceTimersByTime(999);
  expect(reasons()).toEqual(['PortConnected']);
  jest.advanceTimersByTime(1);
  expect(told[1]).toMatchObject({ reason: 'PortLost', subject: 'net1' });
  expect(told[1]?.note).toContain('net1: the front-end disconnected.');
  story.change('p1', 'up');
  expect(reasons()).toEqual(['PortConnected', 'PortLost', 'PortRecovered']);
});

test('a driver that is back within a moment, and a port that goes with its pod, are no news', () => {
  story.replace(new Map());
  story.change('p1', 'up');
  story.change('p1', 'listening');
  jest.advanceTimersByTime(500);
  story.change('p1', 'up');
  story.change('p1', 'listening');
  story.change('p1', undefined);
  jest.advanceTimersByTime(5000);
  expect(reasons()).toEqual(['PortConnected']);
});

test('the end of a driver in a pod that ends is none either', () => {
  story.replace(new Map());
  story.change('p1', 'up');
  ending = true;
  story.change('p1', 'listening');
  jest.advanceTimersByTime(5000);
  expect(reasons()).toEqual(['PortConnected']);
});

test('what was up before the agent was is not told, but its loss is', () => {
  story.replace(new Map([['p1', 'up']]));
  expect(told).toEqual([]);
  story.change('p1', 'listening');
  jest.advanceTimersByTime(1000);
  expect(reasons()).toEqual(['PortLost']);
});

test('a switch that starts anew: ports that come back in time are no news, others are lost and recovered', () => {
  story.replace(
    new Map([
      ['p1', 'up'],
      ['p2', 'up'],
    ]),
  );
  story.away();
  story.replace(new Map());
  story.change('p1', 'up');
  jest.advanceTimersByTime(1000);
  expect(told).toMatchObject([{ reason: 'PortLost' }]);
  expect(told[0]?.note).toContain('the switch of the node does not answer');
  story.replace(
    new Map([
      ['p1', 'up'],
      ['p2', 'up'],
      ['p3', 'up'],
    ]),
  );
  expect(reasons()).toEqual(['PortLost', 'PortRecovered', 'PortConnected']);
});

test('a peer that breaks the rules is told with its code and what to do', () => {
  story.replace(new Map());
  story.change('p1', 'listening', 'USV_MESSAGE: expected a header, got junk');
  story.change('p1', 'up', 'USV_PORT_BUSY: expected one connection to the port, got a second one');
  expect(told.map(({ reason, subject }) => [reason, subject])).toEqual([
    ['PortRefused', 'net1 USV_MESSAGE'],
    ['PortRefused', 'net1 USV_PORT_BUSY'],
    ['PortConnected', 'net1'],
  ]);
  expect(told[0]?.note).toMatch(
    /^net1: USV_MESSAGE: expected a header, got junk\. The connection was closed/,
  );
  // Nobody broke anything here.
  story.change('p2', 'connecting', 'USV_SOCKET_MISSING: nobody listens');
  expect(told).toHaveLength(3);
});

test("ports of others, and of pods that have no name, are nobody's", () => {
  story.replace(new Map());
  for (const port of ['stranger', 'nobody']) {
    story.change(port, 'up');
    story.change(port, 'listening', 'USV_RING: bad');
  }
  jest.advanceTimersByTime(1000);
  expect(told).toEqual([]);
});
