// SPDX-License-Identifier: Apache-2.0
//
// The keeper and the switch client against a real gRPC switch that comes and goes.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Attachments } from '../../../agent/attachments.ts';
import { PortKeeper } from '../../../agent/port-keeper.ts';
import { SwitchClient } from '../../../agent/switch-client.ts';
import type { Attachment } from '../../../cni/attachment.ts';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';
import { hostPaths } from '../../../lib/names.ts';
import { type FakeSwitch, startFakeSwitch } from '../../fakes/switch.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const makeRoot = temporaryRoots();
let store: Attachments;
let client: SwitchClient;
let fake: FakeSwitch;
let keeper: PortKeeper | undefined;
let queue: KeyedQueue;
let health: boolean[];
let healthy: PromiseWithResolvers<undefined>;

const attachment = (n: number, state: Attachment['state'] = 'ready'): Attachment => ({
  containerId: `c${n}`,
  ifname: 'net1',
  port: `p${n}`,
  device: `port-${n}`,
  network: 'fast',
  netns: '/ns',
  mac: `02:00:00:00:00:0${n}`,
  mtu: 1500,
  endpoint: 'tap',
  podRole: 'client',
  state,
  ipamConfig: null,
  podUid: null,
  podNamespace: null,
  podName: null,
  runtimeIfname: 'net1',
  deviceInfo: null,
});

beforeEach(async () => {
  const paths = hostPaths(makeRoot());
  store = new Attachments({ stateDir: paths.stateDir, bootId: 'b' });
  client = new SwitchClient({ socketPath: paths.switchSocket });
  fake = await startFakeSwitch(paths.root);
  queue = new KeyedQueue();
  health = [];
  healthy = Promise.withResolvers();
});

afterEach(async () => {
  await keeper?.close();
  client.close();
  await fake.kill();
  store.close();
});

function keep(refusedMillis = 5000): void {
  keeper = new PortKeeper({
    store,
    queue,
    nodeSwitch: client,
    log: pino({ level: 'silent' }),
    refusedMillis,
    onHealth: (reachable) => {
      health.push(reachable);
      healthy.resolve(undefined);
    },
  });
}

test('adds what is missing at first contact and after each restart, nothing that is not ready', async () => {
  store.put(attachment(1));
  store.put(attachment(2, 'deleting'));
  await client.addPort({ name: 'somebody-else', network: 'fast', mac: '', mtu: 1500, podRole: 'client' });
  keep();
  await fake.untilPort('p1');
  await fake.kill();
  await fake.start();
  await fake.untilPort('p1');
  expect([...fake.ports.keys()]).toEqual(['p1']);
  expect(health).toEqual([true, false, true]);
});

test('waits for a switch that starts later', async () => {
  await fake.kill();
  store.put(attachment(1));
  keep();
  await fake.start();
  await fake.untilPort('p1');
});

test('removes what a DEL could not, and leaves the ports of others', async () => {
  await client.addPort({ name: 'p7', network: 'fast', mac: '', mtu: 1500, podRole: 'client' });
  await client.addPort({ name: 'somebody-else', network: 'fast', mac: '', mtu: 1500, podRole: 'client' });
  store.buryPort('p7');
  keep();
  await healthy.promise;
  await keeper?.close();
  expect([...fake.ports.keys()]).toEqual(['somebody-else']);
  expect(store.buriedPorts()).toEqual([]);
});

test('adds no port behind a DEL of its container', async () => {
  store.put(attachment(1));
  const del = Promise.withResolvers<undefined>();
  const call = queue.run('c1', async () => {
    await del.promise;
    store.remove(attachment(1));
  });
  keep();
  await healthy.promise;
  del.resolve(undefined);
  await call;
  await keeper?.close();
  expect(fake.ports.size).toBe(0);
});

test('a refused port is tried again, the others are added at once', async () => {
  store.put(attachment(1));
  store.put(attachment(2));
  fake.refuseNext('USV_PORT_LIMIT');
  keep(1);
  await Promise.all([fake.untilPort('p1'), fake.untilPort('p2')]);
});

test('calls of a switch that is away say so before the deadline of an answer', async () => {
  await fake.kill();
  const started = performance.now();
  await expect(client.ping()).rejects.toMatchObject({ code: 'USV_SWITCH_UNREACHABLE' });
  expect(performance.now() - started).toBeLessThan(4000);
});
