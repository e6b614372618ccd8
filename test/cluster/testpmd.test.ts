// SPDX-License-Identifier: Apache-2.0
//
// An application that is DPDK: testpmd opens the socket of its pod's port itself, in a namespace with the strictest rules for
// pods, as an ordinary user without a capability or a huge page. Our driver counts what it sends back.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../scripts/packages.ts';
import { allowedCpus } from '../support/cpus.ts';
import { eventually } from '../support/eventually.ts';
import { groupNeeds } from '../support/need.ts';
import { chainOurs } from './chain.ts';
import { dpdkImage, importDpdkImage } from './dpdk-image.ts';
import { portCount } from './names.ts';
import { importOurImage, ourImage } from './our-image.ts';
import { pod, restricted } from './pods.ts';
import { Stage, stageMillis } from './stage.ts';
import { undoAll } from './undo.ts';

const socket = '/var/run/usvhost/net1/vhost.sock';
const cpu = allowedCpus().at(-1) ?? 0;
const testpmd = [
  ...['dpdk-testpmd', `--lcores=0@${cpu},1@${cpu}`, '--no-huge', '-m', '128'],
  ...['--no-pci', '--no-telemetry', `--vdev=net_virtio_user0,path=${socket},queue_size=256`, '--'],
  ...['--auto-start', '--forward-mode=macswap', '--total-num-mbufs=4096', '--stats-period=1'],
];
const frames = 200;

groupNeeds(...clusterPeers, 'dpdk-testpmd')('testpmd in a pod', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.set((step) => undo.push(step));
    await stage.kubectl(
      'label',
      'namespace',
      stage.namespace,
      'pod-security.kubernetes.io/enforce=restricted',
    );
    await Promise.all([importOurImage(), importDpdkImage()]);
    await chainOurs(stage, (step) => undo.push(step), { endpoint: 'socket' });
    await stage.offers(portCount);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('is let in where nobody with more rights is', async () => {
    await expect(stage.apply(pod('loose', { ports: 1 }))).rejects.toThrow('violates PodSecurity "restricted');
  });

  test('connects as an ordinary user', async () => {
    const options = { ports: 1, securityContext: restricted };
    await stage.apply(
      pod('dpdk', { ...options, image: dpdkImage, command: testpmd }),
      pod('ours', { ...options, image: ourImage }),
    );
    await Promise.all([stage.runs('dpdk'), stage.runs('ours')]);
    const log = async (): Promise<string> => stage.kubectl('logs', 'dpdk');
    await eventually(log, (said) => said.includes('Port statistics'), 'testpmd to forward', {
      millis: 60_000,
      stepMillis: 200,
    });
    expect(await stage.exec('ours', 'id', '-u')).toBe('1000');
    expect(await stage.exec('ours', 'grep', 'CapEff', '/proc/self/status')).toMatch(/0{16}$/);
  }, 240_000);

  test('sends back every frame', async () => {
    const { mac }: { mac: string } = JSON.parse(
      await stage.exec('dpdk', 'cat', '/var/run/usvhost/net1/port.json'),
    );
    const report = await stage.exec(
      ...['ours', 'usvhost', 'dataplane', '--port', `net_virtio_user0,path=${socket}`],
      ...['--engine', 'txonly', '--verify', '--limit', String(frames), '--seconds', '1', '--peer-mac', mac],
    );
    expect(JSON.parse(report)).toMatchObject({
      engine: { sent: frames, received: frames, corrupted: 0, foreign: 0 },
    });
  }, 120_000);

  test('leaves nothing', async () => {
    await stage.remove('dpdk', 'ours');
    await stage.nothingLeft();
  }, 240_000);
});
