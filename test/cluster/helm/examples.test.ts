// SPDX-License-Identifier: Apache-2.0
//
// The examples that need no Multus, in a namespace with the strictest rules for pods, with the chart as it comes.

import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { groupNeeds } from '../../support/need.ts';
import { follow, importExampleImages } from '../examples.ts';
import { Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { undoAll } from '../undo.ts';

groupNeeds(
  ...clusterPeers,
  'iperf3',
  'dpdk-testpmd',
)('examples', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;

  beforeAll(async () => {
    await importExampleImages();
    const labels = ['pod-security.kubernetes.io/enforce=restricted'];
    release = await Release.install((step) => undo.push(step), { labels });
  }, stageMillis);

  afterEach(async () => release.clear(), 120_000);
  afterAll(async () => undoAll(undo), stageMillis);

  test('two-pods: a page over net1', async () => {
    const said = await follow(release, 'two-pods.yaml');
    expect(said).toContain('dev net1');
    expect(said).toContain('This is page, by net1.');
  }, 180_000);

  test('iperf3: streams and datagrams arrive', async () => {
    const said = await follow(release, 'iperf3.yaml');
    // One summary of each side for TCP, and for UDP.
    expect(said.match(/bits\/sec.*sender/g)).toHaveLength(2);
    const received = [...said.matchAll(/([\d.]+) [KMG]?bits\/sec.*receiver/g)].map(([, rate]) =>
      Number(rate),
    );
    expect(received).toHaveLength(2);
    for (const rate of received) expect(rate).toBeGreaterThan(0);
  }, 240_000);

  test('testpmd: frames come back from the other testpmd', async () => {
    const said = await follow(release, 'testpmd.yaml');
    const [, back = '0'] = /for all ports\+*\s+RX-packets: *(\d+)/.exec(said) ?? [];
    expect(Number(back)).toBeGreaterThan(0);
  }, 240_000);
});
