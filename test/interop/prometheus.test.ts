// SPDX-License-Identifier: Apache-2.0
//
// A real Prometheus reads a real agent: its dashboard has something to show, and the alert of a switch that is away begins.

import { afterEach, beforeEach, expect } from '@jest/globals';
import { dashboard } from '../../scripts/chart/dashboard.ts';
import { TestNode } from '../contract/cni/node.ts';
import { type FakeKubelet, startFakeKubelet } from '../fakes/kubelet.ts';
import { FakePodResources } from '../fakes/pod-resources.ts';
import { eventually } from '../support/eventually.ts';
import { needs } from '../support/need.ts';
import { RunningPrometheus } from '../support/prometheus.ts';

const test = needs('prometheus', 'unshare', 'nsenter', 'ip', 'host-local');
const patience = { millis: 90_000, stepMillis: 500 } as const;

/** Of the webhook, of its own metrics; of an agent with an API server. */
const notOfThisAgent = [
  'Reviews by result',
  'Time of reviews',
  'Certificate ends in',
  'Events on pods by result',
  'API server last heard of',
  'Watch of pods started again',
];

const panels = (dashboard() as any).panels as readonly {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}[];

let undo: (() => void | Promise<void>)[];
let node: TestNode;
let kubelet: FakeKubelet;
let prometheus: RunningPrometheus;

beforeEach(async () => {
  undo = [];
  node = await TestNode.start({ agent: false });
  undo.push(() => node.close());
  kubelet = await startFakeKubelet({ root: node.root });
  undo.push(() => kubelet.close());
  const pods = await FakePodResources.start(node.root);
  undo.push(() => pods.stop());
  pods.add('shop', 'web-0', ['port-1']);
  await node.startAgent({
    reconcileSeconds: 1,
    config: { metricsAddress: '127.0.0.1', metricsPort: 0, ports: 4 },
  });
  const { address = '', port = 0 } = node.status ?? {};
  prometheus = await RunningPrometheus.start(`${address}:${port}`, { job: 'usvhost-agent', node: 'n1' });
  undo.push(() => prometheus.close());
}, 120_000);

afterEach(async () => {
  for (const step of undo.toReversed()) await step();
}, 60_000);

test('every panel about a node has something to show', async () => {
  const [stays, comes] = [await node.pod(), await node.pod()];
  let sent = 0;
  expect((await node.cni('ADD', stays, node.config(stays))).code).toBe(0);
  await kubelet.allocate('usvhost.io/port', 1);
  const queries = panels
    .filter(({ title }) => !notOfThisAgent.includes(title))
    .flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({
        title,
        expr: expr.replaceAll('$__rate_interval', '30s').replaceAll('$node', 'n1'),
      })),
    );
  expect(queries.length).toBeGreaterThan(15);
  const empty = async (): Promise<string[]> => {
    // Rates are of what happens while somebody looks.
    for (const command of ['ADD', 'DEL'])
      expect((await node.cni(command, comes, node.config(comes))).code).toBe(0);
    sent += 100;
    const counters = {
      tx_packets: sent,
      tx_bytes: 64 * sent,
      rx_packets: sent,
      rx_drop_no_buffer: sent / 10,
    };
    node.switch.say({
      state: 'up',
      counters: Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, String(value)])),
    });
    const found = await Promise.all(
      queries.map(async ({ title, expr }) => {
        const result = await prometheus.query(expr);
        // A quantile of nothing is no number.
        const shown = result.filter(({ value }) => value[1] !== 'NaN');
        return shown.length === 0 ? [title] : [];
      }),
    );
    return found.flat();
  };
  await eventually(empty, (titles) => titles.length === 0, 'no empty panel', patience);
  const [frames] = await prometheus.query(
    'sum by (node) (rate(usvhost_switch_packets_total{direction="tx"}[30s]))',
  );
  expect(Number(frames?.value[1])).toBeGreaterThan(0);
  expect(frames?.metric).toEqual({ node: 'n1' });
}, 120_000);

test('a switch that goes begins its alert, and ends it when it is back', async () => {
  await eventually(
    () => prometheus.query('usvhost_switch_reachable == 1'),
    ({ length }) => length === 1,
    'the switch is seen',
    patience,
  );
  expect(await prometheus.alerts()).not.toContain('UsvhostSwitchDown pending');
  await node.switch.kill();
  const pending = (alerts: readonly string[]): boolean => alerts.includes('UsvhostSwitchDown pending');
  await eventually(() => prometheus.alerts(), pending, 'an alert that is pending', patience);
  await node.switch.start();
  await eventually(
    () => prometheus.alerts(),
    (alerts) => !pending(alerts),
    'no such alert',
    patience,
  );
}, 200_000);
