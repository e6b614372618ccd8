// SPDX-License-Identifier: Apache-2.0
//
// The node boots again under a release and pods of deployments: all of them come back without anybody's help.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { groupNeeds } from '../../support/need.ts';
import { deployment, podOf } from '../deployments.ts';
import { readNodeFile } from '../node-file.ts';
import { pod } from '../pods.ts';
import { comeUp, powerCut } from '../reboot.ts';
import { Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { addressOf, reaches } from '../talk.ts';
import { undoAll } from '../undo.ts';

groupNeeds(...clusterPeers)('a node with the chart that is rebooted', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;

  beforeAll(async () => {
    // The only node is the webhook's too: without this, pods that replace others at the boot would be made without a port.
    release = await Release.install((step) => undo.push(step), {
      values: ['--set=webhook.failurePolicy=Fail'],
    });
    // Before the pods go, or they come again.
    undo.push(async () => release.kubectl('delete', 'deployments', '--all'));
    const annotations = { 'usvhost.io/inject': 'true' };
    await release.apply(...['left', 'right'].map((name) => deployment(pod(name, { annotations }))));
  }, stageMillis);

  afterAll(async () => {
    // Also where a test ended between power cut and boot.
    comeUp();
    await undoAll(undo);
  }, stageMillis);

  const talk = async (bootId: string): Promise<void> => {
    const [left, right] = await Promise.all(['left', 'right'].map((name) => podOf(release, name, bootId)));
    await reaches(release, left ?? '', await addressOf(release, right ?? ''));
  };

  test('has two pods that reach each other', async () => {
    await talk(await readNodeFile('/proc/sys/kernel/random/boot_id'));
  }, 240_000);

  test('has them again', async () => {
    const bootId = await powerCut();
    comeUp();
    await talk(bootId);
  }, 400_000);

  test('has nothing of them when they are gone, nor of the release', async () => {
    await release.kubectl('delete', 'deployments', '--all');
    await release.clear();
    await release.nothingLeft();
    await release.uninstall();
    expect(await release.traces()).toEqual([]);
  }, 240_000);
});
