// SPDX-License-Identifier: Apache-2.0
//
// The device plugin against a real kubelet: what docs/device-plugin.md promises a container, and that the resource is back after
// each side has been restarted.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { portCount } from './names.ts';
import { pod } from './pods.ts';
import { Stage, stageMillis } from './stage.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('a real kubelet', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set((step) => undo.push(step));
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('offers the ports of the agent', async () => {
    await stage.offers(portCount);
  }, 120_000);

  test('gives a container that requests a port its directory, variables and tap device', async () => {
    await stage.apply(pod('with', { ports: 1 }), pod('without'));
    await Promise.all([stage.runs('with'), stage.runs('without')]);
    const variables = (await stage.exec('with', 'env')).split('\n');
    expect(variables).toContain('USVHOST_CONTRACT=1');
    expect(variables).toContain('USVHOST_DIR=/var/run/usvhost');
    expect(variables.join('\n')).toMatch(/^USVHOST_DEVICES=port-\d+$/m);
    expect(await stage.exec('with', 'stat', '-c', '%F %a', '/var/run/usvhost')).toBe('directory 755');
    expect(await stage.exec('with', 'stat', '-c', '%F', '/dev/net/tun')).toBe('character special file');
    expect(await stage.exec('with', 'cat', '/proc/mounts')).toMatch(/ \/run\/usvhost tmpfs ro/);
    expect(await stage.exec('without', 'env')).not.toContain('USVHOST');
    await stage.remove('with', 'without');
  }, 240_000);

  test('gives no device twice', async () => {
    await stage.apply(pod('one', { ports: 2 }), pod('two', { ports: 1 }));
    await Promise.all([stage.runs('one'), stage.runs('two')]);
    const devices = async (name: string): Promise<string[]> =>
      (await stage.exec(name, 'sh', '-c', 'echo $USVHOST_DEVICES')).split(',');
    const [one, two] = [await devices('one'), await devices('two')];
    expect([one.length, two.length, new Set([...one, ...two]).size]).toEqual([2, 1, 3]);
    await stage.remove('one', 'two');
  }, 240_000);

  test('keeps a pod waiting until there are ports enough', async () => {
    await stage.apply(pod('most', { ports: portCount }));
    await stage.runs('most');
    await stage.apply(pod('late', { ports: 1 }));
    await stage.kubectl('wait', '--for=condition=PodScheduled=false', 'pod/late', '--timeout=60s');
    await stage.remove('most');
    await stage.runs('late');
    await stage.remove('late');
  }, 240_000);

  test('offers the ports again after a restart of the agent, and running pods go on', async () => {
    await stage.apply(pod('before', { ports: 1 }));
    await stage.runs('before');
    await stage.stopAgent('KILL');
    await stage.offers(0);
    await stage.startAgent();
    await stage.offers(portCount);
    await stage.apply(pod('after', { ports: 1 }));
    await stage.runs('after');
    expect(await stage.exec('before', 'sh', '-c', 'echo $USVHOST_DIR')).toBe('/var/run/usvhost');
    await stage.remove('before', 'after');
  }, 300_000);

  test('offers the ports again after a restart of the kubelet', async () => {
    await stage.killDaemon('kubelet');
    await stage.agent.says('registered with the kubelet', 2);
    await stage.offers(portCount);
    await stage.apply(pod('afterwards', { ports: 1 }));
    await stage.runs('afterwards');
    await stage.remove('afterwards');
  }, 300_000);
});
