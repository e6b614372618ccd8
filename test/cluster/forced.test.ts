// SPDX-License-Identifier: Apache-2.0
//
// Pods that are deleted by force: their objects are gone at once, whatever still runs of them, and nobody waits for a CNI DEL.

import { afterAll, beforeAll, test } from '@jest/globals';
import { run } from '../../cli/demo/process.ts';
import { clusterPeers } from '../../scripts/packages.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { chainOurs } from './chain.ts';
import { inside } from './cluster.ts';
import { portCount } from './names.ts';
import { pod } from './pods.ts';
import { Stage, stageMillis } from './stage.ts';
import { undoAll } from './undo.ts';

/** It ends when asked to: the kubelet gives even such a pod its time. */
const command = ['sh', '-c', 'trap "exit 0" TERM; sleep 86400 & wait'];
const patient = { millis: 60_000, stepMillis: 200 };

groupNeeds(...clusterPeers)('a pod that is deleted by force leaves nothing', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    const agent = { USVHOST_AGENT_RECONCILE_SECONDS: '1' };
    stage = await Stage.set((step) => undo.push(step), { agent });
    await chainOurs(stage, (step) => undo.push(step));
    await stage.offers(portCount);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  const runs = async (name: string): Promise<void> => {
    await stage.apply(pod(name, { ports: 1, command }));
    await stage.runs(name);
  };
  const force = async (name: string): Promise<string> =>
    stage.kubectl('delete', 'pod', name, '--force', '--grace-period=0');

  const tombstones = async (): Promise<string> => run(inside(['ls', '/var/lib/usvhost/tombstones']));

  test('with all daemons there', async () => {
    await runs('one');
    await force('one');
    await stage.nothingLeft();
  }, 240_000);

  test('without an agent: the next one does what the plugin wrote down', async () => {
    await runs('two');
    await stage.stopAgent('KILL');
    await force('two');
    await eventually(tombstones, (found) => found !== '', 'the request of the plugin', patient);
    await stage.startAgent();
    await stage.nothingLeft();
    // Addresses are given back with the hands of the next calls, at most four with each. The kubelet asked for pods of other stories
    // again too, which it keeps for a while.
    for (let calls = 0; calls < 10 && (await tombstones()) !== ''; calls++) {
      await runs('next');
      await stage.remove('next');
    }
    await eventually(tombstones, (found) => found === '', 'every request done', patient);
  }, 240_000);

  test('without a kubelet: it ends the pod when it is back', async () => {
    await runs('three');
    await stage.killDaemon('kubelet', 'STOP');
    await force('three');
    await stage.killDaemon('kubelet');
    await stage.nothingLeft();
  }, 240_000);
});
