// SPDX-License-Identifier: Apache-2.0
//
// One chart, one annotation: without Multus, and in a namespace with the strictest rules for pods.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { eventually } from '../../support/eventually.ts';
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
    // What no call told the agent it sees by itself, at the second look.
    const values = ['--set=agent.config.reconcileSeconds=1'];
    release = await Release.install((step) => undo.push(step), { labels, values });
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** A pod of no concern, from its ADD to its DEL; our traces afterwards. */
  const comeAndGo = async (): Promise<string> => {
    await release.apply(pod('passing', { securityContext: restricted, grace: 1 }));
    await release.runs('passing');
    await release.remove('passing');
    return (await release.traces()).join(' ');
  };

  test('gives a pod that asks by annotation an interface, over which it reaches others', async () => {
    // With a time to end in, a pod's object goes after its DEL; without one, before.
    const options = { annotations: inject, image: pingImage, securityContext: restricted, grace: 1 };
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
    // Its DEL passes us by: the list of plugins names us no more.
    await release.remove('left');
    expect(await release.traces()).toContainEqual(expect.stringMatching(/^\/run\/usvhost\/pods\/.*\/net1$/));
    // The next release finds what the first has left of it, and takes it away with the hands of the pods that come and go.
    await release.installAgain();
    await eventually(comeAndGo, (traces) => !traces.includes('/net1'), 'nothing of the pod', {
      millis: 60_000,
    });
    await release.nothingLeft();
  }, 240_000);

  test('leaves nothing of itself', async () => {
    await release.uninstall();
    expect(await release.traces()).toEqual([]);
  }, 240_000);
});
