// SPDX-License-Identifier: Apache-2.0
//
// STATUS through the real shim: 50 or 51 with the reason, and the answer of the IPAM plugin.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { onNode, TestNode } from './node.ts';
import { recordingPlugin } from './recording-plugin.ts';

onNode('STATUS', () => {
  let node: TestNode;
  const config = { cniVersion: '1.1.0', name: 'fast', type: 'usvhost' };
  const status = (more: object = {}, env: object = {}) =>
    node.shim({ CNI_COMMAND: 'STATUS', ...env }, JSON.stringify({ ...config, ...more }));

  beforeEach(async () => {
    node = await TestNode.start();
  });

  afterEach(() => node.close());

  test('without the switch: 50, and 51 when the network has containers', async () => {
    const pod = await node.pod();
    expect((await node.cni('ADD', pod, node.config(pod))).code).toBe(0);
    expect(await status()).toMatchObject({ code: 0, stdout: '' });
    await node.switch.kill();
    const msg = expect.stringContaining('USV_SWITCH_UNREACHABLE: the switch at');
    expect(await status()).toMatchObject({ code: 1, json: { code: 51, msg } });
    expect(await status({ name: 'other' })).toMatchObject({ code: 1, json: { code: 50, msg } });
  });

  test('without the agent: 50, by the shim alone', async () => {
    await node.stopAgent();
    const msg = expect.stringContaining('USV_AGENT_UNREACHABLE');
    expect(await status()).toMatchObject({ code: 1, json: { code: 50, msg } });
  });

  test('is passed on to the IPAM plugin, whose code is its own', async () => {
    const plugin = recordingPlugin(node.root);
    const env = { CNI_PATH: plugin.path };
    expect(await status({ ipam: { type: 'recorder' } }, env)).toMatchObject({ code: 0 });
    expect(plugin.calls()).toEqual(['VERSION - -', 'STATUS - -']);
    plugin.fail('STATUS');
    const msg = expect.stringContaining('the IPAM plugin recorder failed in STATUS: as told (by the test)');
    expect(await status({ ipam: { type: 'recorder' } }, env)).toMatchObject({
      code: 1,
      json: { code: 77, msg },
    });
  });
});
