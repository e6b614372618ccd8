// SPDX-License-Identifier: Apache-2.0
//
// What docs/operations.md promises of upgrade, rollback and drain, seen by two pods that ping each other.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { eventually } from '../../support/eventually.ts';
import { groupNeeds } from '../../support/need.ts';
import { nodeName } from '../names.ts';
import { importPingImage, pingImage } from '../ping-image.ts';
import { Pinging } from '../pinging.ts';
import { pod } from '../pods.ts';
import { Release, releaseNamespace } from '../release.ts';
import { said } from '../said.ts';
import { stageMillis } from '../stage.ts';
import { addressOf, reaches } from '../talk.ts';
import { undoAll } from '../undo.ts';

const inject = { 'usvhost.io/inject': 'true' };

groupNeeds(...clusterPeers, 'ping')('the operator of a release', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;
  let ping: Pinging;
  let lost = 0;

  beforeAll(async () => {
    await importPingImage();
    // One replica: a drain of the only node could not evict the second one, which has nowhere to go.
    release = await Release.install((step) => undo.push(step), { values: ['--set=webhook.replicas=1'] });
    const options = { annotations: inject, image: pingImage };
    await release.apply(pod('left', options), pod('right', options));
    await Promise.all([release.runs('left'), release.runs('right')]);
    const target = await addressOf(release, 'right');
    await reaches(release, 'left', target);
    ping = await Pinging.start(release, 'left', target);
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** The id of the only pod of a component. */
  const idOf = async (component: string, field = 'uid'): Promise<string> => {
    const selector = `--selector=app.kubernetes.io/component=${component}`;
    const path = `--output=jsonpath={.items[*].metadata.${field}}`;
    return release.kubectl('get', 'pods', `--namespace=${releaseNamespace}`, selector, path);
  };

  /** How many answers are missing that were not before, once frames flow again. */
  const lostSince = async (): Promise<number> => {
    const before = lost;
    lost = await ping.goesOn();
    const restarts = 'jsonpath={.items[*].status.containerStatuses[*].restartCount}';
    expect(await release.kubectl('get', 'pods', `--output=${restarts}`)).toBe('0 0');
    return lost - before;
  };

  test('upgrades the agent alone, and pods notice nothing', async () => {
    const [agent, vhostSwitch] = [await idOf('agent'), await idOf('switch')];
    await release.upgrade('--set=agent.config.reconcileSeconds=30');
    expect(await lostSince()).toBe(0);
    expect(await idOf('agent')).not.toBe(agent);
    expect(await idOf('switch')).toBe(vhostSwitch);
  }, 240_000);

  test('upgrades the switch alone, and frames flow again', async () => {
    const [agent, vhostSwitch] = [await idOf('agent'), await idOf('switch')];
    await release.upgrade('--set=switch.config.macAgeSeconds=200');
    await lostSince();
    expect(await idOf('agent')).toBe(agent);
    expect(await idOf('switch')).not.toBe(vhostSwitch);
  }, 240_000);

  test('goes back, with the certificate that was there', async () => {
    const certificate = async (): Promise<string> =>
      release.kubectl(
        'get',
        'secret',
        'usvhost-webhook-tls',
        `--namespace=${releaseNamespace}`,
        '--output=jsonpath={.data}',
      );
    const before = await certificate();
    await release.helm('rollback', 'usvhost', '1', '--wait');
    await lostSince();
    expect(await certificate()).toBe(before);
    await release.apply(pod('later', { annotations: inject }));
    await release.runs('later');
    await release.remove('later');
  }, 240_000);

  test('drains the node, and nothing of a pod is left on it', async () => {
    const flags = ['--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=120s'];
    try {
      await release.kubectl('drain', nodeName, ...flags);
      expect(await release.kubectl('get', 'pods', '--output=name')).toBe('');
      const agent = await idOf('agent', 'name');
      const doctor = async (): Promise<string> => {
        const command = ['exec', agent, '--container=agent', '--', 'usvhost', 'doctor', '--node'];
        // A pod whose time is over at once is gone from the API server before its DEL is done.
        return said(release.kubectl(`--namespace=${releaseNamespace}`, ...command));
      };
      await eventually(doctor, (text) => /leftovers +none/.test(text), 'no leftovers', {
        millis: 60_000,
        stepMillis: 500,
      });
    } finally {
      await release.kubectl('uncordon', nodeName);
    }
    await release.nothingLeft();
  }, 240_000);
});
