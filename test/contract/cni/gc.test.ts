// SPDX-License-Identifier: Apache-2.0
//
// GC through the real shim: what the runtime does not list goes, with its lease; everything else stays.

import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { onNode, type Pod, type ShimRun, TestNode } from './node.ts';
import { recordingPlugin } from './recording-plugin.ts';

onNode('GC', () => {
  let node: TestNode;
  let pods: Pod[];

  beforeEach(async () => {
    node = await TestNode.start();
    pods = [await node.pod(), await node.pod(), await node.pod()];
  });

  afterEach(() => node.close());

  const network = (more: object = {}): object => ({
    cniVersion: '1.1.0',
    name: 'fast',
    type: 'usvhost',
    ...more,
  });

  async function addAll(more: object, env: object = {}): Promise<void> {
    for (const pod of pods) {
      const added = await node.cni('ADD', pod, node.config(pod, more), { ...env });
      expect(added).toMatchObject({ code: 0 });
    }
  }

  /** A runtime gives a GC the command and the path only. */
  function gc(config: object, env: object = {}): Promise<ShimRun> {
    return node.shim({ CNI_COMMAND: 'GC', ...env }, JSON.stringify(config));
  }

  const listed = (...those: readonly (Pod | undefined)[]): object => ({
    'cni.dev/valid-attachments': those.map((pod) => ({ containerID: pod?.containerId, ifname: 'net1' })),
  });

  async function alive(): Promise<Map<string, boolean>> {
    const up = new Map<string, boolean>();
    for (const pod of pods) {
      up.set(pod.containerId, (await pod.run('ip', '-br', 'link')).includes('net1'));
    }
    return up;
  }

  test('removes what is not listed, with its addresses, and nothing of another network', async () => {
    const ipam = node.hostLocal();
    await addAll({ ipam });
    const other = await node.pod();
    expect((await node.cni('ADD', other, node.config(other, { name: 'slow', ipam }))).code).toBe(0);
    expect(node.switch.ports.size).toBe(4);
    expect(await gc(network({ ipam, ...listed(pods[1]) }))).toMatchObject({ code: 0, stdout: '' });
    expect(node.switch.ports.size).toBe(2);
    const left = (await node.traces()).join('\n');
    expect(left).toContain('fast/10.9.0.3');
    expect(left).toContain('slow/10.9.0.2');
    expect(left).not.toMatch(/fast\/10\.9\.0\.[24]/u);
    expect((await alive()).get(pods[1]?.containerId ?? '')).toBe(true);
    // The places are free again, also for the same containers.
    const [pod] = pods;
    if (pod === undefined) throw new Error('no pod');
    expect((await node.cni('ADD', pod, node.config(pod, { ipam }))).code).toBe(0);
  });

  test.each([
    ['an empty list', { 'cni.dev/valid-attachments': [] }],
    ['no list', {}],
    ['the null of a Go slice', { 'cni.dev/valid-attachments': null }],
    ['a list of others', { 'cni.dev/attachments': [{ containerID: 'container-1', ifname: 'net2' }] }],
  ])('with %s nothing of the network stays', async (_, list) => {
    await addAll({});
    expect(await gc(network(list))).toMatchObject({ code: 0 });
    expect(await node.traces()).toEqual([]);
  });

  test('knows an interface that is named by ifName by the name the runtime has for it', async () => {
    await addAll({ ifName: 'fast0' });
    expect((await gc(network({ ifName: 'fast0', ...listed(pods[0], pods[2]) }))).code).toBe(0);
    expect(node.switch.ports.size).toBe(2);
  });

  test('takes the taps out of namespaces that live, and the files with device information', async () => {
    mkdirSync(join(node.root, 'var'), { recursive: true });
    symlinkSync('/run', join(node.root, 'var/run'));
    const directory = join(node.root, 'run/k8s.cni.cncf.io/devinfo/cni');
    for (const pod of pods) {
      const CNIDeviceInfoFile = `/var/run/k8s.cni.cncf.io/devinfo/cni/${pod.containerId}`;
      const added = await node.cni('ADD', pod, node.config(pod, { runtimeConfig: { CNIDeviceInfoFile } }));
      expect(added).toMatchObject({ code: 0 });
    }
    // A name that is somebody else's by now stays.
    await pods[2]?.run('ip', 'link', 'set', 'net1', 'alias', 'mine');
    expect(await gc(network(listed(pods[1])))).toMatchObject({ code: 0 });
    expect([...(await alive()).values()]).toEqual([false, true, true]);
    expect(readdirSync(directory)).toEqual(['container-1']);
  });

  test('goes on after a failure, and tells all of them in one error', async () => {
    const plugin = recordingPlugin(node.root);
    const env = { CNI_PATH: plugin.path };
    const ipam = { type: 'recorder' };
    await addAll({ ipam }, env);
    plugin.fail('DEL', 'container-0');
    plugin.fail('GC');
    const failed = await gc(network({ ipam, ...listed() }), env);
    expect(failed).toMatchObject({ code: 1, json: { code: 120, cniVersion: '1.1.0' } });
    for (const text of ['USV_GC', 'net1 of container-0', 'the IPAM plugin recorder', 'as told']) {
      expect(failed.json.msg).toContain(text);
    }
    expect(failed.json.msg).not.toContain('container-1');
    expect(await node.traces()).toEqual([]);
    expect(plugin.calls()).toEqual([
      ...pods.map(({ containerId }) => `ADD ${containerId} net1`),
      ...pods.map(({ containerId }) => `DEL ${containerId} net1`),
      'VERSION - -',
      'GC - -',
    ]);
  });

  test('is not passed on to an IPAM plugin that is older than it', async () => {
    expect(await gc(network({ ipam: node.hostLocal(), ...listed() }))).toMatchObject({ code: 0 });
  });

  test('that the runtime sends with a container in the environment does not wait for itself', async () => {
    await addAll({});
    expect((await gc(network(listed()), { CNI_CONTAINERID: 'container-1' })).code).toBe(0);
    expect(await node.traces()).toEqual([]);
  });

  test.each([
    ['a version before 1.1.0', { cniVersion: '1.0.0' }, 1, 'at least 1.1.0'],
    ['a list that is none', { 'cni.dev/valid-attachments': 'all' }, 7, 'cni.dev/valid-attachments'],
    ['an entry without a container', { 'cni.dev/valid-attachments': [{ ifname: 'net1' }] }, 7, 'containerID'],
    ['no name', { name: undefined }, 7, 'name'],
  ])('refuses %s and removes nothing', async (_, more, code, says) => {
    await addAll({});
    const refused = await gc(network(more));
    expect(refused).toMatchObject({ code: 1, json: { code, msg: expect.stringContaining(says) } });
    expect(node.switch.ports.size).toBe(3);
  });
});
