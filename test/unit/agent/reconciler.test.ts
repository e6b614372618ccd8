// SPDX-License-Identifier: Apache-2.0
//
// The rules of the reconciler, one pass at a time, on the real store, a real switch and a real kubelet's API.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Attachments } from '../../../agent/attachments.ts';
import type { OrphanMount } from '../../../agent/leftovers.ts';
import { Reconciler } from '../../../agent/reconciler.ts';
import { SwitchClient } from '../../../agent/switch-client.ts';
import { Tombstones } from '../../../agent/tombstones.ts';
import type { Attachment } from '../../../cni/attachment.ts';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';
import { PodResources } from '../../../device-plugin/pod-resources.ts';
import { type HostPaths, hostPaths, portName } from '../../../lib/names.ts';
import { FakePodResources } from '../../fakes/pod-resources.ts';
import { type FakeSwitch, startFakeSwitch } from '../../fakes/switch.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const makeRoot = temporaryRoots();
const log = pino({ level: 'silent' });
let paths: HostPaths;
let store: Attachments;
let client: SwitchClient;
let fake: FakeSwitch;
let kubelet: FakePodResources;
let podResources: PodResources;
let queue: KeyedQueue;
let mounts: string[];
/** What they show. */
let shown: string;
let orphans: readonly OrphanMount[];
let reconciler: Reconciler;

beforeEach(async () => {
  paths = hostPaths(makeRoot());
  store = new Attachments({ stateDir: paths.stateDir, bootId: 'b' });
  client = new SwitchClient({ socketPath: paths.switchSocket, connectMillis: 3000 });
  fake = await startFakeSwitch(paths.root);
  kubelet = await FakePodResources.start(paths.root);
  const resourceName = 'usvhost.io/port';
  const socketPath = paths.podResourcesSocket;
  podResources = new PodResources({ socketPath, resourceName, deadlineMillis: 10_000 });
  queue = new KeyedQueue();
  mounts = [];
  shown = '/';
  orphans = [];
  reconciler = new Reconciler({
    ...paths,
    store,
    tombstones: new Tombstones(paths.tombstonesDir, log),
    leftovers: {
      setMounts: (found) => {
        orphans = found;
      },
      setPorts: () => undefined,
    },
    queue,
    switchPorts: client,
    listPods: () => podResources.listPods(),
    readMounts: () =>
      mounts.map((place) => `1 2 0:1 ${shown} ${paths.podsDir}/${place} ro - t t rw`).join('\n'),
    log,
    intervalMillis: 3_600_000,
    settleMillis: 0,
  });
});

afterEach(async () => {
  await reconciler.close();
  podResources.close();
  client.close();
  await fake.kill();
  await kubelet.stop();
  store.close();
});

/** An attachment that an ADD has made, with a file as its namespace. */
async function attach(n: number, more: Partial<Attachment> = {}): Promise<Attachment> {
  const netns = join(paths.root, `netns-${n}`);
  writeFileSync(netns, '');
  const key = { containerId: `c${n}`, ifname: 'net1' };
  const record: Attachment = {
    ...key,
    port: portName(key.containerId, key.ifname),
    device: `port-${n}`,
    network: 'fast',
    netns,
    mac: `02:00:00:00:00:0${n}`,
    mtu: 1500,
    endpoint: 'tap',
    state: 'ready',
    ipamConfig: null,
    podUid: null,
    podNamespace: 'a',
    podName: `pod-${n}`,
    runtimeIfname: 'net1',
    deviceInfo: null,
    podRole: 'client',
    ...more,
  };
  store.put(record);
  await client.addPort({
    name: record.port,
    network: 'fast',
    mac: record.mac,
    mtu: record.mtu,
    podRole: 'client',
  });
  return record;
}

async function passes(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await reconciler.pass();
}

test('a pod without namespace that the kubelet does not have is released at the second look', async () => {
  const record = await attach(1);
  rmSync(record.netns);
  await passes(1);
  expect(store.list()).toEqual([record]);
  await passes(1);
  expect(store.list()).toEqual([]);
  expect(fake.ports.size).toBe(0);
});

test('what needs a shim keeps its record', async () => {
  const record = await attach(1, { ipamConfig: '{"ipam":{"type":"x"}}' });
  const bound = await attach(2);
  rmSync(record.netns);
  rmSync(bound.netns);
  mkdirSync(paths.podPort(bound.device, bound.ifname), { recursive: true });
  await passes(2);
  expect(store.list().map(({ state }) => state)).toEqual(['deleting', 'deleting']);
  expect(fake.ports.size).toBe(0);
  rmSync(paths.podPort(bound.device, bound.ifname), { recursive: true });
  await passes(2);
  expect(store.list().map(({ port }) => port)).toEqual([record.port]);
});

test('one sign of life is enough', async () => {
  await attach(1); // its namespace
  const named = await attach(2);
  const holding = await attach(3, { podNamespace: null, podName: null });
  kubelet.add('a', 'pod-2', []);
  kubelet.add('b', 'pod-1', []);
  kubelet.add('z', 'unnamed', [holding.device]);
  rmSync(named.netns);
  rmSync(holding.netns);
  await passes(4);
  expect(store.list().map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
  expect(fake.ports.size).toBe(3);
});

test('a later pod of the same name, on another device, is not the owner', async () => {
  const record = await attach(1);
  rmSync(record.netns);
  kubelet.add('a', 'pod-1', [record.device, 'port-8']);
  await passes(3);
  expect(store.list()).toEqual([record]);
  kubelet.add('a', 'pod-1', ['port-8']);
  await passes(2);
  expect(store.list()).toEqual([]);
});

test('a kubelet that does not answer releases nothing, and its silence is no look', async () => {
  const record = await attach(1);
  rmSync(record.netns);
  mounts = ['port-7/net1'];
  await passes(1);
  await kubelet.stop();
  await passes(4);
  expect(store.list()).toEqual([record]);
  expect(fake.ports.size).toBe(1);
  expect(orphans).toEqual([]);
});

test('nothing is released in the middle of a call', async () => {
  const record = await attach(1);
  rmSync(record.netns);
  const call = Promise.withResolvers<void>();
  const running = queue.run(record.containerId, () => call.promise);
  await passes(3);
  expect(store.list()).toEqual([record]);
  call.resolve();
  await running;
  await passes(1);
  expect(store.list()).toEqual([]);
});

test('ports with our names that no record has are removed at the second look, others stay', async () => {
  const stray = portName('gone', 'net1');
  for (const [n, name] of [stray, 'uplink', 'p1'].entries())
    await client.addPort({
      name,
      network: 'fast',
      mac: `02:00:00:00:01:0${n}`,
      mtu: 1500,
      podRole: 'client',
    });
  const record = await attach(1, { state: 'adding' });
  await passes(1);
  expect(fake.ports.size).toBe(4);
  await passes(1);
  expect([...fake.ports.keys()].toSorted()).toEqual(['uplink', 'p1', record.port].toSorted());
});

test('a port without a record stays while it is bound into a pod', async () => {
  const port = portName('gone', 'net1');
  await client.addPort({
    name: port,
    network: 'fast',
    mac: '02:00:00:00:01:00',
    mtu: 1500,
    podRole: 'client',
  });
  kubelet.add('a', 'alive', ['port-4']);
  mounts = ['port-4/net1'];
  shown = `/ports/${port}`;
  await passes(3);
  expect(fake.ports.size).toBe(1);
  mounts = [];
  await passes(2);
  expect(fake.ports.size).toBe(0);
});

test('a switch that is away keeps the port for later', async () => {
  const record = await attach(1);
  rmSync(record.netns);
  await passes(1);
  await fake.kill();
  await passes(1);
  expect(store.buriedPorts()).toEqual([record.port]);
});

test('mounts that neither a record nor a pod has are given to the next shim', async () => {
  const record = await attach(1);
  kubelet.add('a', 'holder', ['port-5']);
  mounts = [`${record.device}/net1`, 'port-5/net1', 'port-6/net1'];
  await passes(1);
  expect(orphans).toEqual([]);
  await passes(1);
  expect(orphans).toEqual([{ device: 'port-6', ifname: 'net1' }]);
  mounts = [];
  await passes(1);
  expect(orphans).toEqual([]);
});
