// SPDX-License-Identifier: Apache-2.0
//
// Behind any other plugin, without a device in the configuration: the pods that hold a port get their interface, all
// others get the result that was there before. The kubelet's answer is a table of the test.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Attachments } from '../../../agent/attachments.ts';
import { SwitchClient } from '../../../agent/switch-client.ts';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';
import { answer } from '../../../cni/plugin.ts';
import { startCniServer } from '../../../cni/server.ts';
import { leadDevice } from '../../../device-plugin/pod-directory.ts';
import { usvFailure } from '../../../lib/errors.ts';
import { hostPaths } from '../../../lib/names.ts';
import { eventually } from '../../support/eventually.ts';
import { onNode, type Pod, TestNode } from './node.ts';
import { recordingPlugin } from './recording-plugin.ts';

onNode('a plugin in a chain', () => {
  let node: TestNode;
  let pod: Pod;
  let close: () => Promise<void>;
  /** Devices by `namespace/name`. */
  let held: Map<string, readonly string[]>;
  let kubeletIsAway: boolean;

  beforeEach(async () => {
    node = await TestNode.start({ agent: false });
    held = new Map();
    kubeletIsAway = false;
    const paths = hostPaths(node.root);
    const log = { info: () => undefined, warn: () => undefined };
    const store = new Attachments({ stateDir: join(node.root, 'var/lib/usvhost'), bootId: 'boot-1' });
    const switchPorts = new SwitchClient({ socketPath: paths.switchSocket });
    const queue = new KeyedQueue();
    const deps = {
      root: node.root,
      store,
      switchPorts,
      queue,
      isNamespaceGone: () => false,
      log,
      leadDevice: (device: string) => leadDevice(paths, device) ?? device,
      devicesOfPod: async (namespace: string, name: string) => {
        if (kubeletIsAway) throw usvFailure('USV_KUBELET', 'the kubelet does not answer');
        return held.get(`${namespace}/${name}`) ?? [];
      },
    };
    mkdirSync(paths.podsDir, { recursive: true });
    const handle = (request: Parameters<typeof answer>[0], steps: Parameters<typeof answer>[1]) =>
      answer(request, steps, deps);
    const server = await startCniServer({ socketPath: paths.agentSocket, handle, log, queue });
    close = async () => {
      await server.close();
      switchPorts.close();
      store.close();
    };
    pod = await node.pod();
    // No agent watches this switch, so nobody has connected yet.
    const answers = () =>
      switchPorts.ping().then(
        () => true,
        () => false,
      );
    await eventually(answers, (yes) => yes, 'an answer of the switch');
  });

  afterEach(async () => {
    await close();
    await node.close();
  });

  const prevResult = (of: Pod): object => ({
    cniVersion: '1.0.0',
    interfaces: [{ name: 'eth0', mac: '0a:00:00:00:00:01', sandbox: of.netns }],
    ips: [{ address: '10.0.0.9/24', interface: 0 }],
    dns: { nameservers: ['10.0.0.1'] },
    vendor: 'keeps its own words',
  });
  const config = (of: Pod, more: object = {}): object => ({
    cniVersion: '1.0.0',
    name: 'cluster',
    type: 'usvhost',
    ifName: 'fast0',
    prevResult: prevResult(of),
    ...more,
  });
  const env = (name: string): object => ({
    CNI_IFNAME: 'eth0',
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name};K8S_POD_UID=u`,
  });
  const call = (command: string, of: Pod, name: string, more: object = {}) =>
    node.cni(command, of, config(of, more), { ...env(name) });

  test('a pod that holds a port gets an interface behind those it has', async () => {
    held.set('shop/cart', [pod.device]);
    const plugin = recordingPlugin(node.root);
    const ipam = { type: 'recorder' };
    const withPath = { ...env('cart'), CNI_PATH: plugin.path };
    const added = await node.cni('ADD', pod, config(pod, { ipam }), withPath);
    expect(added).toMatchObject({ code: 0 });
    expect(added.json.interfaces.map(({ name }: { name: string }) => name)).toEqual(['eth0', 'fast0']);
    expect(added.json.ips[1]).toEqual({ address: '10.4.0.2/24', interface: 1 });
    expect(await pod.run('ip', 'addr', 'show', 'fast0')).toContain('10.4.0.2/24');
    const checked = await node.cni('CHECK', pod, config(pod, { ipam, prevResult: added.json }), withPath);
    expect(checked).toMatchObject({ code: 0, stdout: '' });
    expect(await node.cni('DEL', pod, config(pod, { ipam }), withPath)).toMatchObject({
      code: 0,
      stdout: '',
    });
    // Its leases are those of our interface: the other plugin of the list may have some under CNI_IFNAME.
    expect(plugin.calls()).toEqual(['ADD', 'CHECK', 'DEL'].map((each) => `${each} container-0 fast0`));
    expect(await node.traces()).toEqual([]);
  });

  test.each([
    ['holds none', env('other')],
    ['is no pod', { CNI_IFNAME: 'eth0' }],
  ])('a container that %s passes untouched', async (_, variables) => {
    held.set('shop/cart', [pod.device]);
    const run = (command: string) => node.cni(command, pod, config(pod), { ...variables });
    const added = await run('ADD');
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.json).toEqual(prevResult(pod));
    expect(await run('CHECK')).toMatchObject({ code: 0, stdout: '' });
    expect(await run('DEL')).toMatchObject({ code: 0, stdout: '' });
    expect(await node.traces()).toEqual([]);
  });

  test('several devices and several interfaces: each gets a place of its own', async () => {
    const second = await node.pod();
    held.set('shop/cart', [pod.device, second.device]);
    for (const ifName of ['fast0', 'fast1']) {
      expect(await call('ADD', pod, 'cart', { ifName })).toMatchObject({ code: 0 });
    }
    // Another sandbox of the same pod, while the first is still there.
    expect(await call('ADD', second, 'cart')).toMatchObject({ code: 0 });
    const third = await node.pod();
    const refused = await call('ADD', third, 'cart');
    expect(refused.json.msg).toContain('USV_PORT_OCCUPIED');
    const places = (await node.run('ls', '-1', join(node.root, 'run/usvhost/pods', pod.device))).trim();
    expect(places.split('\n')).toEqual(['fast0', 'fast1']);
    expect(await node.run('ls', join(node.root, 'run/usvhost/pods', second.device))).toBe('fast0\n');
  });

  test('a lost record of a pod that holds a port is no pod without one', async () => {
    held.set('shop/cart', [pod.device]);
    const checked = await call('CHECK', pod, 'cart');
    expect(checked.json.msg).toContain('USV_CHECK');
  });

  test.each([
    ['nothing before it and no device', 'other', /USV_DEVICE_UNKNOWN.*shop\/other/u, 7],
    ['a kubelet that does not answer', 'away', /USV_KUBELET/u, 11],
  ])('%s is an error', async (_, name, msg, code) => {
    kubeletIsAway = name === 'away';
    const added = await call('ADD', pod, name, { prevResult: undefined });
    expect(added).toMatchObject({ code: 1, json: { code, msg: expect.stringMatching(msg) } });
  });

  test('without the names of the pod and without a chain the message says what is missing', async () => {
    const added = await node.cni('ADD', pod, config(pod, { prevResult: undefined }));
    expect(added.json.msg).toContain('K8S_POD_NAME');
  });
});
