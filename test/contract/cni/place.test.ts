// SPDX-License-Identifier: Apache-2.0
//
// A place in a pod's directory whose holder is gone without DEL: the next pod on the device takes it over. A holder that
// lives keeps it.

import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { attachmentPort } from '../../../cni/attachment.ts';
import { eventually } from '../../support/eventually.ts';
import { onNode, type Pod, TestNode } from './node.ts';
import { recordingPlugin } from './recording-plugin.ts';

onNode('a place in a pod directory', () => {
  let node: TestNode;
  let pod: Pod;

  beforeEach(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });

  afterEach(() => node.close());

  const vanish = async (gone: Pod): Promise<void> => {
    gone.close();
    await eventually(
      () => existsSync(gone.netns),
      (there) => !there,
      'the namespace gone',
    );
  };

  test('of a pod without DEL is taken over by the next pod, whose ADD takes away what is left', async () => {
    const ipam = node.hostLocal();
    const first = (await node.cni('ADD', pod, node.config(pod, { ipam }))).json;
    await vanish(pod);
    const next = await node.pod(pod.device);
    const { code, json } = await node.cni('ADD', next, node.config(next, { ipam }));
    expect({ code, address: json.ips[0].address }).toEqual({ code: 0, address: '10.9.0.3/24' });
    const left = await node.traces();
    expect(left).not.toContain('fast/10.9.0.2');
    expect([...node.switch.ports.keys()]).toEqual([attachmentPort({ ...next, ifname: 'net1' })]);
    expect(first.interfaces[0].socketPath).not.toBe(json.interfaces[0].socketPath);
    expect((await node.cni('DEL', next, node.config(next, { ipam }))).code).toBe(0);
    expect(await node.traces()).toEqual([]);
  });

  test('stays taken while the pod lives', async () => {
    expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
    const before = await node.traces();
    const next = await node.pod(pod.device);
    const refused = await node.cni('ADD', next, node.config(next));
    expect(refused.json.msg).toContain('USV_PORT_OCCUPIED');
    expect(refused.json.msg).toContain(pod.containerId);
    expect(await node.traces()).toEqual(before);
    expect(await pod.run('ip', '-o', 'link')).toContain('net1');
  });

  test('is refused while the address cannot be given back, or a call of that container runs', async () => {
    const plugin = recordingPlugin(node.root);
    const env = { CNI_PATH: plugin.path };
    const ipam = { type: 'recorder' };
    expect((await node.cni('ADD', pod, node.config(pod, { ipam }), env)).code).toBe(0);
    await vanish(pod);
    const next = await node.pod(pod.device);
    const without = await node.cni('ADD', next, node.config(next));
    expect(without.json.msg).toContain('USV_PORT_OCCUPIED');
    expect(without.json.msg).toContain(pod.containerId);

    // With a DEL of the old pod under way the ADD does not wait for it.
    const hold = plugin.hold('DEL');
    const deleting = node.cni('DEL', pod, node.config(pod, { ipam }), env);
    await hold.reached();
    const meanwhile = await node.cni('ADD', next, node.config(next, { ipam }), env);
    expect(meanwhile.json.msg).toContain('USV_PORT_OCCUPIED');
    hold.release();
    expect(await deleting).toMatchObject({ code: 0 });
    expect(await node.cni('ADD', next, node.config(next, { ipam }), env)).toMatchObject({ code: 0 });
  });
});
