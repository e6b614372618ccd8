// SPDX-License-Identifier: Apache-2.0
//
// Without Multus: our plugin behind the cluster's own network, put there and taken back by `usvhost install --chain`.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { chainedStage } from './chain.ts';
import { defaultNetwork } from './names.ts';
import { readNodeFile } from './node-file.ts';
import { pod } from './pods.ts';
import { type Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('our plugin behind the default network', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await chainedStage((step) => undo.push(step));
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  const linksOf = async (name: string): Promise<string> => stage.exec(name, 'ls', '/sys/class/net');

  test('gives pods that request a port an interface, over which they reach each other', async () => {
    await stage.apply(talker('left'), talker('right'));
    await Promise.all([stage.runs('left'), stage.runs('right')]);
    await reaches(stage, 'left', await addressOf(stage, 'right'));
    // The default network is as it was.
    await reaches(stage, 'left', await addressOf(stage, 'right', 'eth0'), 'eth0');
  }, 300_000);

  test('leaves a pod that requests none alone', async () => {
    await stage.apply(pod('plain'));
    await stage.runs('plain');
    expect(await linksOf('plain')).toBe('eth0\nlo');
    await reaches(stage, 'plain', await addressOf(stage, 'left', 'eth0'), 'eth0');
  }, 120_000);

  test('leaves nothing of pods that are gone', async () => {
    await stage.remove('left', 'right', 'plain');
    await stage.nothingLeft();
  }, 240_000);

  test('is taken out of the list again, and pods are made as before', async () => {
    await stage.usvhost('install', '--uninstall', '--chain', 'auto');
    expect(JSON.parse(await readNodeFile(defaultNetwork))).toMatchObject({ plugins: [{ type: 'bridge' }] });
    await stage.apply(pod('after', { ports: 1 }));
    await stage.runs('after');
    expect(await linksOf('after')).toBe('eth0\nlo');
    await stage.remove('after');
  }, 240_000);
});
