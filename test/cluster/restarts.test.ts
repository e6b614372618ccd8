// SPDX-License-Identifier: Apache-2.0
//
// Each daemon of a node is killed while two pods ping each other: only the switch carries frames, so only its end may cost any,
// and no container is ever restarted.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { chainedStage } from './chain.ts';
import { portCount } from './names.ts';
import { Pinging } from './pinging.ts';
import { pod } from './pods.ts';
import { type Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('two pods that ping each other', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;
  let ping: Pinging;
  let lost = 0;

  beforeAll(async () => {
    stage = await chainedStage((step) => undo.push(step));
    await stage.apply(talker('left'), talker('right'));
    await Promise.all([stage.runs('left'), stage.runs('right')]);
    const target = await addressOf(stage, 'right');
    await reaches(stage, 'left', target);
    ping = await Pinging.start(stage, 'left', target);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** The ping goes on without a loss, and pods can be made. */
  const allIsWell = async (): Promise<void> => {
    const now = await ping.goesOn();
    expect(now - lost).toBe(0);
    await stage.offers(portCount);
    await stage.apply(pod('new', { ports: 1 }));
    await stage.runs('new');
    await stage.remove('new');
    const restarts = 'jsonpath={.items[*].status.containerStatuses[*].restartCount}';
    expect(await stage.kubectl('get', 'pods', `--output=${restarts}`)).toBe('0 0');
  };

  test('notice nothing of a restart of the kubelet', async () => {
    await stage.killDaemon('kubelet');
    await stage.agent.says('registered with the kubelet', 2);
    await allIsWell();
  }, 300_000);

  test('notice nothing of a restart of the agent', async () => {
    await stage.stopAgent('KILL');
    await stage.startAgent();
    await allIsWell();
  }, 300_000);

  test('notice nothing of a restart of both at once', async () => {
    await Promise.all([stage.killDaemon('kubelet'), stage.stopAgent('KILL')]);
    await stage.startAgent();
    await allIsWell();
  }, 300_000);

  test('notice nothing of a restart of containerd', async () => {
    await stage.killDaemon('containerd');
    await allIsWell();
  }, 300_000);

  test('go on when the switch is back', async () => {
    await stage.stopSwitch('KILL');
    await stage.startSwitch();
    lost = await ping.goesOn();
    await allIsWell();
  }, 300_000);

  test('leave nothing when they are gone', async () => {
    await stage.remove('left', 'right');
    await stage.nothingLeft();
  }, 240_000);
});
