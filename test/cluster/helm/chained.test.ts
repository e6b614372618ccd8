// SPDX-License-Identifier: Apache-2.0
//
// One chart, one annotation: without Multus, and in a namespace with the strictest rules for pods.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { groupNeeds } from '../../support/need.ts';
import { importPingImage, pingImage } from '../ping-image.ts';
import { pod, restricted } from '../pods.ts';
import { Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { addressOf, reaches } from '../talk.ts';
import { undoAll } from '../undo.ts';

const inject = { 'usvhost.io/inject': 'true' };

groupNeeds(...clusterPeers, 'ping')('the chart behind the default network', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;

  beforeAll(async () => {
    const labels = ['pod-security.kubernetes.io/enforce=restricted'];
    await importPingImage();
    release = await Release.install((step) => undo.push(step), { labels });
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('gives a pod that asks by annotation an interface, over which it reaches others', async () => {
    const options = { annotations: inject, image: pingImage, securityContext: restricted };
    await release.apply(pod('left', options), pod('right', options));
    await Promise.all([release.runs('left'), release.runs('right')]);
    await reaches(release, 'left', await addressOf(release, 'right'));
  }, 120_000);

  test('leaves other pods alone', async () => {
    await release.apply(pod('plain', { securityContext: restricted }));
    await release.runs('plain');
    expect(await release.exec('plain', 'ls', '/sys/class/net')).toBe('eth0\nlo');
  }, 120_000);

  test('refuses a wrong annotation in words', async () => {
    const wrong = { ...inject, 'usvhost.io/endpoint': 'tun' };
    await expect(
      release.apply(pod('wrong', { annotations: wrong, securityContext: restricted })),
    ).rejects.toThrow('expected "tap" or "socket" for the annotation usvhost.io/endpoint, got "tun"');
  }, 60_000);

  test('is taken away under a pod that holds a port, which can be deleted all the same', async () => {
    await release.remove('right', 'plain');
    await release.uninstall();
    expect(await release.traces()).toContain('/opt/cni/bin/usvhost');
    await release.remove('left');
    // The next release finds what the first has left of it.
    await release.installAgain();
    await release.nothingLeft();
  }, 240_000);

  test('leaves nothing of itself', async () => {
    await release.uninstall();
    expect(await release.traces()).toEqual([]);
  }, 240_000);
});
