// SPDX-License-Identifier: Apache-2.0
//
// A node that is cut off from its API server: what was asked of it before is done, pods go on, and a pod that ends leaves nothing
// though nobody can be asked about it.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../cli/demo/process.ts';
import { clusterPeers } from '../../scripts/packages.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { chainedStage } from './chain.ts';
import { inside } from './cluster.ts';
import { hold, letGo } from './daemons.ts';
import { nodeHears } from './heard.ts';
import { portCount } from './names.ts';
import { pod } from './pods.ts';
import { killSandbox } from './sandbox.ts';
import { type Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('a node without its API server', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await chainedStage((step) => undo.push(step));
  }, stageMillis);

  afterAll(async () => {
    // Pods can only be taken back through it.
    letGo('kube-apiserver');
    await answers();
    await undoAll(undo);
  }, stageMillis);

  const portsOf = async (): Promise<string[]> =>
    (await run(inside(['ls', '/run/usvhost/ports']))).split('\n').filter(Boolean);
  const answers = async (): Promise<void> => {
    const ask = async (): Promise<string> =>
      run(inside(['sh', '-c', 'kubectl get --raw /readyz 2>&1 || true']));
    await eventually(ask, (said) => said === 'ok', 'the API server', { millis: 60_000, stepMillis: 200 });
  };

  test('ends a pod that was deleted before, and gives back its port and address', async () => {
    // As first process of its namespace the container takes no notice of the signal, so its end comes after the server's.
    await stage.apply(pod('ending', { ports: 1, grace: 5 }));
    await stage.runs('ending');
    expect(await portsOf()).toHaveLength(1);
    await stage.kubectl('delete', 'pod', 'ending', '--wait=false');
    await hold('kube-apiserver');
    expect(await portsOf()).toHaveLength(1);
    await expect(stage.kubectl('get', 'pods')).rejects.toThrow('refused');
    await stage.nothingLeft();

    letGo('kube-apiserver');
    await answers();
    await stage.kubectl('wait', '--for=delete', 'pod/ending', '--timeout=60s');
  }, 240_000);

  test('replaces the sandbox of a pod, with a port and an address of its own', async () => {
    await stage.apply(talker('left'), talker('right'));
    await Promise.all([stage.runs('left'), stage.runs('right')]);
    const target = await addressOf(stage, 'right');
    await reaches(stage, 'left', target);
    const before = await portsOf();
    expect(before).toHaveLength(2);

    await hold('kube-apiserver');
    await killSandbox(stage, 'left');
    const replaced = (ports: readonly string[]): boolean =>
      ports.length === 2 && ports.some((port) => !before.includes(port));
    await eventually(portsOf, replaced, 'another port', { millis: 60_000, stepMillis: 200 });

    letGo('kube-apiserver');
    await answers();
    await stage.offers(portCount);
    await stage.runs('left');
    await reaches(stage, 'left', target);
    // Pods without grace are gone for the API server at once. The kubelet tells it of pods before it hears of them again.
    await nodeHears(stage);
    await stage.remove('left', 'right');
    await stage.nothingLeft();
  }, 300_000);
});
