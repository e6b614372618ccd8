// SPDX-License-Identifier: Apache-2.0
//
// The node boots again under two pods of deployments: they come back by themselves, with new ports, and nothing of before stays.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../cli/demo/process.ts';
import { clusterPeers } from '../../scripts/packages.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { chainedStage } from './chain.ts';
import { inside } from './cluster.ts';
import { deployment, podOf } from './deployments.ts';
import { comeUp, powerCut } from './reboot.ts';
import { type Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('a node that is rebooted', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await chainedStage((step) => undo.push(step));
    // Before the pods go, or they come again.
    undo.push(async () => stage.kubectl('delete', 'deployments', '--all'));
    await stage.apply(deployment(talker('left')), deployment(talker('right')));
  }, stageMillis);

  afterAll(async () => {
    // Also where a test ended between power cut and boot.
    comeUp();
    await undoAll(undo);
  }, stageMillis);

  const ports = async (): Promise<string[]> =>
    (await run(inside(['ls', '/run/usvhost/ports']))).split('\n').filter(Boolean);
  const onNode = async (file: string): Promise<string> => run(inside(['cat', file]));
  const talk = async (bootId: string): Promise<void> => {
    const [left, right] = await Promise.all([podOf(stage, 'left', bootId), podOf(stage, 'right', bootId)]);
    await reaches(stage, left, await addressOf(stage, right));
  };

  let before: string[];

  test('has two pods that reach each other', async () => {
    await talk(await onNode('/proc/sys/kernel/random/boot_id'));
    before = await ports();
    expect(before).toHaveLength(2);
  }, 240_000);

  test.each(['once', 'twice'])(
    '%s: has them again, with new ports',
    async () => {
      const old = await onNode('/proc/sys/kernel/random/boot_id');
      const bootId = await powerCut();
      expect(bootId).not.toBe(old);
      expect(await run(inside(['ls', '/run']))).not.toMatch(/usvhost|containerd/);
      comeUp();
      await stage.startAfterPowerCut();
      await talk(bootId);
      const look = async (): Promise<string[]> => ports();
      const after = await eventually(look, (found) => found.length === 2, 'two ports', { millis: 60_000 });
      expect(after.filter((port) => before.includes(port))).toEqual([]);
      before = after;
    },
    400_000,
  );

  test('has nothing of them when they are gone', async () => {
    await stage.kubectl('delete', 'deployments', '--all');
    await stage.clear();
    await stage.nothingLeft();
  }, 240_000);
});
