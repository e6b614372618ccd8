// SPDX-License-Identifier: Apache-2.0
//
// The whole road in a real cluster: two pods request a port and join a network of ours through Multus, which passes on the device
// that the kubelet chose; each container runs the dataplane and they ping each other over the switch.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../cli/demo/process.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { inside } from './cluster.ts';
import { clusterPeers } from './host/requirements.ts';
import { installMultus, joins, network } from './multus.ts';
import { importOurImage, ourImage } from './our-image.ts';
import { pod } from './pods.ts';
import { portCount, Stage, stageMillis } from './stage.ts';

const dataplane = ['usvhost', 'dataplane', '--port', 'net_virtio_user0,path=/var/run/usvhost/net1'];

function endpoint(name: string): object {
  const annotations = joins('fast');
  return pod(name, { image: ourImage, command: dataplane, ports: 1, annotations });
}

groupNeeds(...clusterPeers)('pods on a network of ours, by Multus', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set((step) => undo.push(step));
    await importOurImage();
    await installMultus(stage, (step) => undo.push(step));
    await stage.apply(
      network('fast', {
        cniVersion: '1.0.0',
        capabilities: { deviceID: true },
        ipam: { type: 'host-local', ranges: [[{ subnet: '10.9.0.0/24' }]] },
      }),
    );
    await stage.offers(portCount);
  }, stageMillis);

  afterAll(async () => {
    for (const step of undo.reverse()) await step();
  }, stageMillis);

  const addressOf = async (name: string): Promise<string> => {
    const output = await stage.exec(name, 'ip', '-4', '-o', 'address', 'show', 'dev', 'net1');
    return /inet ([\d.]+)/.exec(output)?.[1] ?? output;
  };

  test('reach each other through the switch', async () => {
    await stage.apply(endpoint('left'), endpoint('right'));
    await Promise.all([stage.runs('left'), stage.runs('right')]);
    const target = await addressOf('right');
    const ping = async (): Promise<string> =>
      stage.exec('left', 'sh', '-c', `ping -I net1 -c 3 -w 10 ${target} || true`);
    // Ready means started: the dataplanes may still be connecting.
    const answered = (output: string): boolean => output.includes('3 packets received');
    expect(await eventually(ping, answered, '3 answers', { millis: 60_000 })).toContain(target);
  }, 300_000);

  test('have the port that the kubelet chose for them, and nobody else does', async () => {
    const portOf = async (name: string): Promise<unknown> =>
      JSON.parse(await stage.exec(name, 'cat', '/var/run/usvhost/net1/port.json'));
    const [left, right] = [await portOf('left'), await portOf('right')];
    expect(left).toMatchObject({ version: 1, ifname: 'net1', ips: [`${await addressOf('left')}/24`] });
    expect(right).not.toEqual(left);
  }, 120_000);

  test('leave nothing on the node when they are gone', async () => {
    await stage.remove('left', 'right');
    // The pod's object may vanish before its CNI DEL has run.
    const look = async (): Promise<string> =>
      run(inside(['sh', '-c', 'ls /run/usvhost/ports; grep /run/usvhost/pods/ /proc/mounts || true']));
    expect(await eventually(look, (found) => found === '', 'no port and no mount', { millis: 60_000 })).toBe(
      '',
    );
  }, 240_000);
});
