// SPDX-License-Identifier: Apache-2.0
//
// From the kubelet's Allocate to the port in the pod's directory: the agent's two halves agree about devices.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type FakeKubelet, startFakeKubelet } from '../../fakes/kubelet.ts';
import { onNode, TestNode } from './node.ts';

onNode('device plugin and CNI', () => {
  let node: TestNode;
  let kubelet: FakeKubelet;

  beforeEach(async () => {
    node = await TestNode.start({ agent: false });
    kubelet = await startFakeKubelet({ root: node.root });
    await node.startAgent();
  });

  afterEach(async () => {
    await node.close();
    await kubelet.close();
  });

  test('two devices of one container lead to one directory', async () => {
    const { devices, response } = await kubelet.allocate('usvhost.io/port', 2);
    const [mount] = response.mounts;
    const pod = await node.pod('other');
    for (const [n, device] of devices.entries()) {
      const env = { CNI_IFNAME: `net${n}` };
      const added = await node.cni('ADD', pod, node.config(pod, { deviceID: device }), env);
      expect(added).toMatchObject({ code: 0 });
    }
    expect(mount?.container_path).toBe('/var/run/usvhost');
    for (const ifname of ['net0', 'net1']) {
      const seen = await node.run('ls', join(mount?.host_path ?? '', ifname));
      expect(seen).toBe('port.json\nvhost.sock\n');
    }
    for (const [n, device] of devices.entries()) {
      const env = { CNI_IFNAME: `net${n}` };
      expect(await node.cni('DEL', pod, node.config(pod, { deviceID: device }), env)).toMatchObject({
        code: 0,
      });
    }
    expect(readdirSync(mount?.host_path ?? '')).toEqual([]);
  });

  test('a device that was never allocated', async () => {
    const pod = await node.pod('other');
    const added = await node.cni('ADD', pod, node.config(pod, { deviceID: 'port-63' }));
    expect(added.json.msg).toContain('USV_DEVICE_UNKNOWN');
  });
});
