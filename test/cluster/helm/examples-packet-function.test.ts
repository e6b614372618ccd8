// SPDX-License-Identifier: Apache-2.0
//
// The example of a network function in TypeScript, with the chart as it comes, in a namespace with the strictest rules for pods.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { groupNeeds } from '../../support/need.ts';
import { follow } from '../examples.ts';
import { importImage } from '../import-image.ts';
import { Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { undoAll } from '../undo.ts';

groupNeeds(...clusterPeers)('the example packet-function', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;

  beforeAll(async () => {
    await importImage('docker.io/library/busybox:1.36', async () => undefined);
    const labels = ['pod-security.kubernetes.io/enforce=restricted'];
    release = await Release.install((step) => undo.push(step), { labels });
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('answers a name that it knows and refuses one that it does not', async () => {
    const said = await follow(release, 'packet-function.yaml');
    expect(said).toContain('192.0.2.1');
    expect(said).toContain('NXDOMAIN');
    const last = JSON.parse(said.trimEnd().split('\n').at(-1) ?? '');
    expect(last).toMatchObject({ handler: { answered: 1, unknown: 1 }, engine: { threw: 0 } });
    expect(last.handler.arp).toBeGreaterThan(0);
  }, 240_000);
});
