// SPDX-License-Identifier: Apache-2.0
//
// An agent with an API server that refuses, breaks off, forgets and is away: what it tells, and that nothing else depends on it.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { pino } from 'pino';
import { type AgentDaemon, startAgent } from '../../../agent/daemon.ts';
import { projectRoot } from '../../../scripts/main.ts';
import { Program } from '../../e2e/program.ts';
import { FakeApiServer } from '../../fakes/api-server.ts';
import { type FakeSwitch, startFakeSwitch } from '../../fakes/switch.ts';
import { eventually } from '../../support/eventually.ts';
import { valueOf } from '../../support/exposition.ts';
import { needs } from '../../support/need.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';
import { agentConfig } from '../cni/agent-config.ts';

const test = needs('openssl');
const port = { resources: { limits: { 'usvhost.io/port': '1' } } };
const withPort = { spec: { containers: [port] } };
const asking = { annotations: { 'usvhost.io/inject': 'true' } };

let directory: PrivateDirectory;
let server: FakeApiServer;
let vswitch: FakeSwitch | undefined;
let agent: AgentDaemon | undefined;

beforeEach(async () => {
  directory = privateDirectory();
  server = await FakeApiServer.start(join(directory.path, 'api'));
});
afterEach(async () => {
  await agent?.close();
  agent = undefined;
  await vswitch?.kill();
  vswitch = undefined;
  await server.close();
  directory.remove();
});

async function start(more: object = {}): Promise<AgentDaemon> {
  const config = agentConfig(directory.path, {
    kubeconfig: server.kubeconfig,
    nodeName: 'node-1',
    metricsAddress: '127.0.0.1',
    metricsPort: 0,
    ...more,
  });
  const log = pino({ level: process.env['USVHOST_LOG'] ?? 'silent' });
  agent = await startAgent(config, { log, bootId: 'boot-1' });
  return agent;
}

async function metric(
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number | undefined> {
  const response = await fetch(`http://127.0.0.1:${agent?.status?.port}/metrics`);
  return valueOf(await response.text(), name, labels);
}

const watched = async (): Promise<unknown> =>
  eventually(
    () => server.watches,
    (count) => count === 1,
    'one watch',
  );
const condition = (): { [field: string]: string } | undefined =>
  (server.conditions as { [field: string]: string }[]).find(({ type }) => type === 'UsvhostSwitchReady');
const conditionIs = async (status: string): Promise<unknown> =>
  eventually(condition, (found) => found?.['status'] === status, `the condition ${status}`, {
    millis: 20_000,
  });
const reasons = (): string[] => server.callsOf('POST', '/events').map(({ body }) => body.reason);

test('the condition of the node follows the switch, and says when it did', async () => {
  vswitch = await startFakeSwitch(directory.path);
  server.conditions = [
    { type: 'Ready', status: 'True' },
    { type: 'UsvhostSwitchReady', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ];
  await start();
  await eventually(condition, (found) => found?.['lastHeartbeatTime'] !== undefined, 'a heartbeat');
  expect(condition()).toMatchObject({ status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' });
  await vswitch.kill();
  vswitch = undefined;
  await conditionIs('False');
  expect(condition()).toMatchObject({ reason: 'SwitchUnreachable' });
  expect(condition()?.['lastTransitionTime']).not.toBe('2026-01-01T00:00:00Z');
  await agent?.close();
  agent = undefined;
  expect(condition()).toMatchObject({ status: 'Unknown', reason: 'AgentStopped' });
  expect(server.conditions).toContainEqual({ type: 'Ready', status: 'True' });
});

test("without nodeCondition the node is nobody's", async () => {
  vswitch = await startFakeSwitch(directory.path);
  await start({ nodeCondition: false });
  await watched();
  await agent?.close();
  agent = undefined;
  expect(server.callsOf('GET', '/nodes/').concat(server.callsOf('PATCH', '/nodes/'))).toEqual([]);
});

test('pods are listed page by page, for this node only, and each that the webhook missed is told once', async () => {
  for (let n = 0; n < 40; n++) server.put(`p${n}`, n % 10 === 0 ? asking : {});
  server.put('whole', { ...asking, ...withPort });
  await start();
  await eventually(
    () => reasons().length,
    (count) => count === 4,
    '4 events',
  );
  const lists = server.callsOf('GET', '/api/v1/pods').filter(({ query }) => query['watch'] !== 'true');
  expect(lists).toHaveLength(3);
  for (const { query } of server.callsOf('GET', '/api/v1/pods'))
    expect(query['fieldSelector']).toBe('spec.nodeName=node-1');
  await watched();
  server.put('p0', asking);
  server.put('late', asking);
  await eventually(
    () => reasons().length,
    (count) => count === 5,
    '5 events',
  );
  expect(new Set(reasons())).toEqual(new Set(['WebhookMissed']));
  const names = server.callsOf('POST', '/events').map(({ body }) => body.regarding.name);
  expect(names.toSorted()).toEqual(['late', 'p0', 'p10', 'p20', 'p30']);
  expect(await metric('usvhost_kubernetes_events_total', { result: 'written' })).toBe(5);
});

test('a pod with ports that goes is a reason to look for what it has left, and others are none', async () => {
  await start({ reconcileSeconds: 3600 });
  const passes = async (): Promise<number> =>
    (await metric('usvhost_reconciler_passes_total', { result: 'partial' })) ?? 0;
  server.put('plain');
  server.put('whole', withPort);
  await watched();
  // That of the start: there is no kubelet.
  await eventually(passes, (count) => count === 1, 'one pass');
  server.remove('plain');
  server.put('last', asking);
  // Of the same collection as the passes.
  const written = async () => metric('usvhost_kubernetes_events_total', { result: 'written' });
  await eventually(written, (count) => count === 1, 'what came after it');
  expect(await passes()).toBe(1);
  server.remove('whole');
  await eventually(passes, (count) => count === 2, 'another pass');
});

test('a watch that ends is made again where it was, one that breaks after a pause, and a forgotten version by a new list', async () => {
  await start();
  await watched();
  const watches = () => server.callsOf('GET', '/pods').filter(({ query }) => query['watch'] === 'true');
  const lists = () => server.callsOf('GET', '/pods').filter(({ query }) => query['watch'] !== 'true');
  server.say({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '4711' } } });
  await eventually(() => metric('usvhost_kubernetes_last_contact_timestamp_seconds'), Boolean, 'contact');
  server.endWatches('end');
  await eventually(watches, ({ length }) => length === 2, 'a second watch');
  expect(watches()[1]?.query['resourceVersion']).toBe('4711');
  await watched();
  server.endWatches('destroy');
  await eventually(watches, ({ length }) => length === 3, 'a third watch');
  expect(lists()).toHaveLength(1);
  await watched();
  server.say({ type: 'ERROR', object: { kind: 'Status', code: 410 } });
  server.endWatches('end');
  await eventually(lists, ({ length }) => length === 2, 'a second list');
  expect(await metric('usvhost_kubernetes_informer_restarts_total')).toBe(1);
});

test('an API server that is away when the agent starts is met when it comes, and the agent stops without it', async () => {
  vswitch = await startFakeSwitch(directory.path);
  await server.close();
  await start();
  server.put('missed', asking);
  await server.listen();
  await eventually(reasons, (all) => all.includes('WebhookMissed'), 'the event', { millis: 20_000 });
  await conditionIs('True');
  server.refuse = () => 'hang';
  const before = performance.now();
  await agent?.close();
  agent = undefined;
  // The limit of its last word, with room for a busy machine.
  expect(performance.now() - before).toBeLessThan(10_000);
});

test('without credentials, without a name and turned off nothing is asked', async () => {
  for (const more of [{ kubeconfig: undefined }, { nodeName: undefined }, { kubernetes: 'off' }]) {
    await start(more);
    await agent?.close();
  }
  agent = undefined;
  expect(server.calls).toEqual([]);
});

const bundle = join(projectRoot, 'build/bundle/usvhost');
const bundled = needs('openssl');

bundled('the bundle, without the parts of the library that it leaves out, does the same', async () => {
  const built = spawnSync(process.execPath, [join(projectRoot, 'scripts/bundle.ts')], { encoding: 'utf8' });
  expect({ status: built.status, stderr: built.stderr }).toMatchObject({ status: 0 });
  expect(existsSync(bundle)).toBe(true);
  server.put('missed', asking);
  const env = {
    USVHOST_NODE: process.execPath,
    USVHOST_AGENT_KUBECONFIG: server.kubeconfig,
    USVHOST_AGENT_NODE_NAME: 'node-1',
    USVHOST_AGENT_METRICS_ADDRESS: 'null',
  };
  const program = new Program([bundle, 'agent', '--root', directory.path], { env, stdin: '' });
  try {
    await eventually(reasons, (all) => all.includes('WebhookMissed'), 'the event', { millis: 20_000 });
    await watched();
    await conditionIs('False');
    server.endWatches('destroy');
    await watched();
  } finally {
    expect(await program.stop()).toMatchObject({ status: 0 });
  }
});
