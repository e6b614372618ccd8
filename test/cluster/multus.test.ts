// SPDX-License-Identifier: Apache-2.0
//
// The whole road in a real cluster: pods request ports and join networks of ours through Multus, which passes on the devices that
// the kubelet chose; each container runs the dataplane and they ping each other over the switch.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { groupNeeds } from '../support/need.ts';
import { installMultus, joins, network } from './multus.ts';
import { portCount } from './names.ts';
import { importOurImage } from './our-image.ts';
import { Stage, stageMillis } from './stage.ts';
import { addressOf, reaches, talker } from './talk.ts';
import { undoAll } from './undo.ts';

groupNeeds(...clusterPeers)('pods on networks of ours, by Multus', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set((step) => undo.push(step));
    await importOurImage();
    await installMultus(stage, (step) => undo.push(step));
    await stage.apply(network('fast', '10.9.0.0/24'), network('wide', '10.10.0.0/24', { asList: true }));
    await stage.offers(portCount);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  const contractOf = async (pod: string, ifname: string): Promise<unknown> =>
    JSON.parse(await stage.exec(pod, 'cat', `/var/run/usvhost/${ifname}/port.json`));

  test('reach each other through the switch', async () => {
    await stage.apply(
      talker('left', { annotations: joins('fast') }),
      talker('middle', { interfaces: ['net1', 'net2'], annotations: joins('fast', 'wide') }),
      talker('right', { annotations: joins('wide') }),
    );
    await Promise.all(['left', 'middle', 'right'].map(async (name) => stage.runs(name)));
    await reaches(stage, 'left', await addressOf(stage, 'middle'));
  }, 300_000);

  test('have two ports on two networks, one of them a list', async () => {
    await reaches(stage, 'middle', await addressOf(stage, 'right'), 'net2');
    await reaches(stage, 'right', await addressOf(stage, 'middle', 'net2'));
  }, 120_000);

  test('have the ports that the kubelet chose for them, each another', async () => {
    const [net1, net2] = [await contractOf('middle', 'net1'), await contractOf('middle', 'net2')];
    expect(net1).toMatchObject({ ifname: 'net1', ips: [`${await addressOf(stage, 'middle', 'net1')}/24`] });
    expect(net2).toMatchObject({ ifname: 'net2', ips: [`${await addressOf(stage, 'middle', 'net2')}/24`] });
    const devices = await stage.exec('middle', 'sh', '-c', 'echo $USVHOST_DEVICES');
    expect(devices).toMatch(/^port-\d+,port-\d+$/);
    const mounts = await stage.exec('middle', 'cat', '/proc/mounts');
    expect(mounts.match(/ \/run\/usvhost\/net[12] /g)).toHaveLength(2);
  }, 120_000);

  test('are kept apart by their networks, whatever addresses they use', async () => {
    const arping = async (source: string, target: string): Promise<string> =>
      stage.exec(source, 'sh', '-c', `arping -I net1 -c 3 -w 3 ${target} || true`);
    expect(await arping('left', await addressOf(stage, 'middle'))).toMatch(/Received [1-9]/);
    expect(await arping('left', await addressOf(stage, 'right'))).toContain('Received 0 response');
    expect(await arping('right', await addressOf(stage, 'left'))).toContain('Received 0 response');
  }, 120_000);

  test('leave nothing on the node when they are gone', async () => {
    await stage.remove('left', 'middle', 'right');
    await stage.nothingLeft();
  }, 240_000);
});
