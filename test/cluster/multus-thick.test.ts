// SPDX-License-Identifier: Apache-2.0
//
// The thick Multus starts our plugin in its own container, in a chroot to the node's root: the agent must be found from there and the
// pod's mount must be made where the runtime sees it.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { joins, network } from './multus.ts';
import { installMultusThick } from './multus-thick.ts';
import { portCount } from './names.ts';
import { importOurImage } from './our-image.ts';
import { Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('pods on networks of ours, by the thick Multus', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set((step) => undo.push(step));
    await importOurImage();
    await installMultusThick(stage, (step) => undo.push(step));
    await stage.apply(network('fast', '10.9.0.0/24'), network('wide', '10.10.0.0/24', { asList: true }));
    await stage.offers(portCount);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('reach each other on two networks', async () => {
    const both = { interfaces: ['net1', 'net2'], annotations: joins('fast', 'wide') };
    await stage.apply(talker('left', both), talker('right', both));
    await Promise.all([stage.runs('left'), stage.runs('right')]);
    await reaches(stage, 'left', await addressOf(stage, 'right', 'net1'), 'net1');
    await reaches(stage, 'left', await addressOf(stage, 'right', 'net2'), 'net2');
  }, 300_000);

  test('have their ports mounted', async () => {
    const contract: unknown = JSON.parse(await stage.exec('left', 'cat', '/var/run/usvhost/net2/port.json'));
    expect(contract).toMatchObject({ ifname: 'net2', ips: [`${await addressOf(stage, 'left', 'net2')}/24`] });
  }, 120_000);

  test('leave nothing on the node when they are gone', async () => {
    await stage.remove('left', 'right');
    await stage.nothingLeft();
  }, 240_000);
});
