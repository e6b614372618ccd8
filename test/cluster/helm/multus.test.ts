// SPDX-License-Identifier: Apache-2.0
//
// One chart, one annotation: with Multus, which the chart finds by itself. Then what an operator does with a release that is in use:
// `helm test`, and an upgrade to another image under traffic.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { eventually } from '../../support/eventually.ts';
import { groupNeeds } from '../../support/need.ts';
import { installMultus } from '../multus.ts';
import { Pinging } from '../pinging.ts';
import { PodSpace } from '../pod-space.ts';
import { pod } from '../pods.ts';
import { otherImage, Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { addressOf, reaches } from '../talk.ts';
import { undoAll } from '../undo.ts';

groupNeeds(...clusterPeers)('the chart with Multus', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;
  let pinging: Pinging;

  beforeAll(async () => {
    // Of Multus' account.
    const space = new PodSpace();
    await space.make((step) => undo.push(step));
    await installMultus(space, (step) => undo.push(step));
    release = await Release.install((step) => undo.push(step));
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('gives a pod that asks by annotation an interface of the first network', async () => {
    const options = { annotations: { 'usvhost.io/inject': 'true' } };
    await release.apply(pod('left', options), pod('right', options));
    await Promise.all([release.runs('left'), release.runs('right')]);
    await reaches(release, 'left', await addressOf(release, 'right'));
  }, 120_000);

  test('a network that does not exist: Multus says so in the events of the pod', async () => {
    await release.apply(pod('lost', { annotations: { 'usvhost.io/networks': 'nowhere' } }));
    const look = async (): Promise<string> => release.kubectl('describe', 'pod', 'lost');
    const words = 'cannot find a network-attachment-definition (nowhere)';
    const options = { millis: 60_000, stepMillis: 500 };
    await eventually(look, (text) => text.includes(words), words, options);
    await release.remove('lost');
  }, 120_000);

  test('helm test: two pods ping each other', async () => {
    const said = await release.helm('test', 'usvhost', '--logs');
    expect(said).toContain('Succeeded');
    expect(said).toMatch(/"sent":10,"received":10,/);
  }, 180_000);

  test('an upgrade of the webhook and of the agent loses no frame', async () => {
    pinging = await Pinging.start(release, 'left', await addressOf(release, 'right'));
    const started = await release.startOf('agent');
    await release.upgrade('--set=agent.config.reconcileSeconds=45', '--set=webhook.config.cpuRequest=11m');
    expect(await release.startOf('agent')).not.toBe(started);
    expect(await pinging.goesOn()).toBe(0);
  }, 240_000);

  test('an upgrade to another image goes on with the ports of pods that run', async () => {
    const image = await otherImage();
    const started = await release.startOf('switch');
    await release.upgrade(`--set=image.repository=${image.repository}`, `--set=image.tag=${image.tag}`);
    expect(await release.startOf('switch')).not.toBe(started);
    const lost = await pinging.goesOn();
    process.stdout.write(`upgrade to another image: ${lost} of the pings, ten a second, had no answer\n`);
    // Their sidecars are as they were, and nobody has started them again.
    expect(await release.restartsOf('left')).toEqual([0, 0]);
  }, 240_000);

  test('leaves nothing of pods that are gone, nor of itself', async () => {
    await release.remove('left', 'right');
    await release.nothingLeft();
    await release.uninstall();
    expect(await release.traces()).toEqual([]);
  }, 240_000);
});
