// SPDX-License-Identifier: Apache-2.0
//
// What no call takes away: pods that end while there is no agent, and pods whose DEL never comes. The next shim that
// comes for another pod lends its hands, and nothing of a pod that lives is touched.

import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { attachmentPort } from '../../../cni/attachment.ts';
import { hostPaths } from '../../../lib/names.ts';
import { FakePodResources } from '../../fakes/pod-resources.ts';
import { eventually } from '../../support/eventually.ts';
import { onNode, type Pod, TestNode } from './node.ts';
import { recordingPlugin } from './recording-plugin.ts';

onNode('leftovers', () => {
  let node: TestNode;
  let kubelet: FakePodResources | undefined;

  beforeEach(async () => {
    node = await TestNode.start();
  });

  afterEach(async () => {
    await node.close();
    await kubelet?.stop();
    kubelet = undefined;
  });

  const config = (pod: Pod): object => node.config(pod, { ipam: node.hostLocal() });
  const portOf = (pod: Pod): string => attachmentPort({ containerId: pod.containerId, ifname: 'net1' });
  const args = (name: string) => ({ CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=${name}` });
  const withoutPort = async (pod: Pod): Promise<void> => {
    await eventually(
      () => node.switch.ports.has(portOf(pod)),
      (there) => !there,
      'the port gone',
    );
  };
  const tracesOf = async (pod: Pod): Promise<string[]> =>
    (await node.traces()).filter((line) => line.includes(portOf(pod)) || line.includes(pod.device));

  /** Calls of another pod, which lend their hands until nothing of the pod is left. */
  async function tidiedBy(other: Pod, pod: Pod, env: Record<string, string> = {}): Promise<void> {
    const look = async (): Promise<string[]> => {
      expect((await node.cni('DEL', other, node.config(other), env)).code).toBe(0);
      return [...(await tracesOf(pod)), ...node.tombstones()];
    };
    const limits = { millis: 30_000, stepMillis: 200 };
    await eventually(look, ({ length }) => length === 0, 'nothing of the pod that is gone', limits);
  }

  test('DEL without an agent succeeds, takes away what it can, and the next agent does the rest', async () => {
    const pod = await node.pod();
    const other = await node.pod();
    expect((await node.cni('ADD', pod, config(pod))).json.ips[0].address).toBe('10.9.0.2/24');
    expect((await node.cni('ADD', other, config(other))).json.ips[0].address).toBe('10.9.0.3/24');
    await node.stopAgent();

    const place = join(hostPaths(node.root).podsDir, pod.device, 'net1');
    for (let times = 0; times < 2; times++) {
      expect(await node.cni('DEL', pod, config(pod))).toMatchObject({ code: 0, stdout: '' });
      expect(node.tombstones()).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
      expect(existsSync(place)).toBe(false);
      expect(await pod.run('ip', '-o', 'link')).not.toContain('net1');
    }
    pod.close();

    await node.startAgent();
    await withoutPort(pod);
    expect(await node.traces()).toContain('fast/10.9.0.2');
    const third = await node.pod();
    await tidiedBy(third, pod);
    expect((await node.cni('ADD', third, config(third))).code).toBe(0);
    expect(await node.traces()).not.toContain('fast/10.9.0.2');
    expect(await node.traces()).toContain('fast/10.9.0.3');
    for (const left of [other, third]) expect((await node.cni('DEL', left, config(left))).code).toBe(0);
    expect(await node.traces()).toEqual([]);
  });

  test('a lent CNI_PATH without the IPAM plugin: the address waits for a call that has it', async () => {
    const plugin = recordingPlugin(node.root);
    const env = { CNI_PATH: plugin.path };
    const [pod, other] = [await node.pod(), await node.pod()];
    const recorded = node.config(pod, { ipam: { type: 'recorder' } });
    expect((await node.cni('ADD', pod, recorded, env)).code).toBe(0);
    await node.stopAgent();
    expect((await node.cni('DEL', pod, recorded, env)).code).toBe(0);
    pod.close();

    await node.startAgent();
    await withoutPort(pod);
    expect((await node.cni('DEL', other, node.config(other))).code).toBe(0);
    expect(node.tombstones()).toHaveLength(1);
    // A minute later, or by the next agent.
    await node.stopAgent();
    await node.startAgent();
    await tidiedBy(other, pod, env);
    expect(plugin.calls()).toContain(`DEL ${pod.containerId} net1`);
    expect(await node.traces()).toEqual([]);
  });

  test('DEL without an agent where the agent needs no hands', async () => {
    const pod = await node.pod();
    const plain = node.config(pod);
    expect((await node.cni('ADD', pod, plain)).code).toBe(0);
    await node.stopAgent();
    expect((await node.cni('DEL', pod, plain)).code).toBe(0);
    await node.startAgent();
    await eventually(
      () => node.tombstones(),
      ({ length }) => length === 0,
      'no tombstone',
    );
    expect(await node.traces()).toEqual([]);
  });

  test('DEL without an agent finds an interface that the configuration names, as behind another plugin', async () => {
    const pod = await node.pod();
    const named = { ...node.config(pod), ifName: 'fast0' };
    expect((await node.cni('ADD', pod, named)).code).toBe(0);
    expect(await pod.run('ip', '-o', 'link')).toContain('fast0');
    await node.stopAgent();
    expect((await node.cni('DEL', pod, named)).code).toBe(0);
    expect(existsSync(join(hostPaths(node.root).podsDir, pod.device, 'fast0'))).toBe(false);
    expect(await pod.run('ip', '-o', 'link')).not.toContain('fast0');
    await node.startAgent();
    await eventually(
      () => node.tombstones(),
      ({ length }) => length === 0,
      'no tombstone',
    );
    expect(await node.traces()).toEqual([]);
  });

  test('a tombstone that comes while the agent runs, and those that are none', async () => {
    const { tombstonesDir } = hostPaths(node.root);
    writeFileSync(join(tombstonesDir, 'text'), 'not a request');
    symlinkSync('/etc/passwd', join(tombstonesDir, 'link'));
    mkdirSync(join(tombstonesDir, 'directory'));
    writeFileSync(join(tombstonesDir, 'huge'), Buffer.alloc(2 << 20));
    await eventually(
      () => node.tombstones(),
      ({ length }) => length === 0,
      'no tombstone',
    );
    expect(existsSync('/etc/passwd')).toBe(true);
  });

  test('a DEL that cannot be written down fails as before', async () => {
    const pod = await node.pod();
    await node.stopAgent();
    const run = await node.cni('DEL', pod, node.config(pod), { USVHOST_ROOT: '/nowhere/at/all' });
    expect(run).toMatchObject({ code: 1, json: { code: 11 } });
  });

  test('a pod that vanished without DEL is released, and its address comes back by another pod', async () => {
    kubelet = await FakePodResources.start(node.root);
    await node.stopAgent();
    await node.startAgent({ reconcileSeconds: 1 });
    const pod = await node.pod();
    const alive = await node.pod();
    for (const [one, name] of [
      [pod, 'gone'],
      [alive, 'alive'],
    ] as const) {
      kubelet.add('a', name, [one.device]);
      expect((await node.cni('ADD', one, config(one), args(name))).code).toBe(0);
    }
    pod.close();

    // Two looks while the kubelet still has it.
    const { calls } = kubelet;
    const before = calls.length;
    await eventually(
      () => calls.length,
      (count) => count >= before + 3,
      'three passes',
    );
    expect(node.switch.ports.has(portOf(pod))).toBe(true);

    // The kubelet of this node forgets both: the one whose namespace is there stays.
    kubelet.remove('a', 'gone');
    kubelet.remove('a', 'alive');
    await withoutPort(pod);
    expect(node.switch.ports.has(portOf(alive))).toBe(true);

    const next = await node.pod(pod.device);
    await tidiedBy(next, pod);
    const added = await node.cni('ADD', next, config(next), args('next'));
    expect(added).toMatchObject({ code: 0 });
    expect(await node.traces()).not.toContain('fast/10.9.0.2');
    expect((await node.cni('CHECK', alive, { ...config(alive), prevResult: {} })).json.msg).toContain(
      'not listed',
    );
    for (const left of [alive, next]) expect((await node.cni('DEL', left, config(left))).code).toBe(0);
    expect(await node.traces()).toEqual([]);
  });

  test('a lost database: mounts of pods that are gone are unmounted, a living pod keeps mount and port', async () => {
    kubelet = await FakePodResources.start(node.root);
    await node.stopAgent();
    const [pod, alive, next] = [await node.pod(), await node.pod(), await node.pod()];
    let agent = await node.spawnAgent('Infinity', '1');
    try {
      for (const one of [pod, alive]) expect((await node.cni('ADD', one, node.config(one))).code).toBe(0);
      kubelet.add('a', 'alive', [alive.device]);
      agent.kill('SIGKILL');
      await once(agent, 'close');
      for (const name of readdirSync(hostPaths(node.root).stateDir))
        rmSync(join(hostPaths(node.root).stateDir, name), { recursive: true });
      agent = await node.spawnAgent('Infinity', '1');

      await tidiedBy(next, pod);
      const place = join(hostPaths(node.root).podsDir, alive.device, 'net1');
      expect(await node.run('ls', place)).toBe('port.json\nvhost.sock\n');
      expect(node.switch.ports.has(portOf(alive))).toBe(true);
      expect((await node.cni('DEL', alive, node.config(alive))).code).toBe(0);
      expect(await node.traces()).toEqual([]);
    } finally {
      agent.kill('SIGKILL');
    }
  }, 60_000);
});
