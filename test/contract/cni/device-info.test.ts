// SPDX-License-Identifier: Apache-2.0
//
// The file with device information that Multus asks for: written by ADD, removed by DEL and by a failed ADD, never outside
// of its directory.

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { onNode, type Pod, TestNode } from './node.ts';

onNode('device information', () => {
  let node: TestNode;
  let pod: Pod;
  let directory: string;
  const name = 'fast-container-0_net1';
  const config = (path = `/var/run/k8s.cni.cncf.io/devinfo/cni/${name}`, more: object = {}): object =>
    node.config(pod, { runtimeConfig: { CNIDeviceInfoFile: path }, ...more });

  beforeEach(async () => {
    node = await TestNode.start();
    pod = await node.pod();
    // As on a real system: /var/run is a link to /run.
    mkdirSync(join(node.root, 'var'), { recursive: true });
    symlinkSync('/run', join(node.root, 'var/run'));
    directory = join(node.root, 'run/k8s.cni.cncf.io/devinfo/cni');
  });

  afterEach(() => node.close());

  test('is written by ADD, over what Multus has put there, and removed by DEL', async () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), 'the device plugin says so');
    expect(await node.cni('ADD', pod, config())).toMatchObject({ code: 0 });
    expect(JSON.parse(readFileSync(join(directory, name), 'utf8'))).toEqual({
      type: 'vhost-user',
      version: '1.1.0',
      'vhost-user': { mode: 'client', path: '/var/run/usvhost/net1/vhost.sock' },
    });
    expect(await node.cni('DEL', pod, config())).toMatchObject({ code: 0 });
    expect(readdirSync(directory)).toEqual([]);
    expect(await node.cni('DEL', pod, config())).toMatchObject({ code: 0 });
  });

  test('its directory is made, and a failed ADD leaves no file', async () => {
    expect(await node.cni('ADD', pod, config())).toMatchObject({ code: 0 });
    expect(existsSync(join(directory, name))).toBe(true);
    expect((await node.cni('DEL', pod, config())).code).toBe(0);
    await pod.run('ip', 'tuntap', 'add', 'net1', 'mode', 'tap');
    expect((await node.cni('ADD', pod, config())).json.msg).toContain('USV_TAP');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is not written through a symbolic link in the place of its directories', async () => {
    mkdirSync(join(node.root, 'run/k8s.cni.cncf.io'));
    mkdirSync(join(node.root, 'outside/cni'), { recursive: true });
    symlinkSync('../../outside', join(node.root, 'run/k8s.cni.cncf.io/devinfo'));
    expect((await node.cni('ADD', pod, config())).json.msg).toContain('ELOOP');
    expect(readdirSync(join(node.root, 'outside/cni'))).toEqual([]);
    expect(await node.traces()).toEqual([]);
  });

  test.each([
    '/etc/passwd',
    '/var/run/k8s.cni.cncf.io/devinfo/cni/../dp/x',
    '/var/run/k8s.cni.cncf.io/devinfo/cni/a/b',
    '/var/run/k8s.cni.cncf.io/devinfo/cni/..',
    '/var/run/k8s.cni.cncf.io/devinfo/cni/',
    `/var/run/k8s.cni.cncf.io/devinfo/cni/${'x'.repeat(192)}`,
  ])('%s is refused', async (path) => {
    const added = await node.cni('ADD', pod, config(path));
    expect(added).toMatchObject({ code: 1, json: { code: 7 } });
    expect(added.json.msg).toContain('runtimeConfig.CNIDeviceInfoFile');
    expect(await node.cni('DEL', pod, config(path))).toMatchObject({ code: 0 });
    expect(await node.traces()).toEqual([]);
  });
});
