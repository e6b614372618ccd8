// SPDX-License-Identifier: Apache-2.0
//
// The example of a chain over two networks, with the chart as it finds Multus in the cluster.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clusterPeers } from '../../../scripts/packages.ts';
import { eventually } from '../../support/eventually.ts';
import { groupNeeds } from '../../support/need.ts';
import { exampleFile } from '../examples.ts';
import { installMultus } from '../multus.ts';
import { PodSpace } from '../pod-space.ts';
import { Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { undoAll } from '../undo.ts';

interface Counts {
  readonly received: number;
  readonly corrupted: number;
  readonly foreign: number;
}

groupNeeds(...clusterPeers)('the example l2fwd-chain', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;

  beforeAll(async () => {
    const space = new PodSpace();
    await space.make((step) => undo.push(step));
    await installMultus(space, (step) => undo.push(step));
    const labels = ['pod-security.kubernetes.io/enforce=restricted'];
    release = await Release.install((step) => undo.push(step), { labels });
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** What the sink has reported, oldest first: lines of its log among others. A pod that has just started has none. */
  async function reports(): Promise<readonly Counts[]> {
    const log = await release.kubectl('logs', 'chain-sink');
    const lines = log.split('\n').filter((line) => line !== '');
    return lines.flatMap((line) => {
      const { engine }: { readonly engine?: Counts | string } = JSON.parse(line);
      return typeof engine === 'object' ? [engine] : [];
    });
  }

  const patience = { millis: 60_000, stepMillis: 500 };

  test('carries whole frames from one network to the other', async () => {
    await release.kubectl('apply', '--filename', exampleFile('l2fwd-chain.yaml'));
    await Promise.all(['chain-source', 'chain-l2fwd', 'chain-sink'].map(async (name) => release.runs(name)));
    const flows = (counts: readonly Counts[]): boolean => (counts.at(-1)?.received ?? 0) > 1000;
    const seen = await eventually(reports, flows, 'frames at the sink', patience);
    expect(seen.at(-1)).toMatchObject({ corrupted: 0, foreign: 0 });
  }, 240_000);

  test('carries nothing without the pod in the middle', async () => {
    await release.remove('chain-l2fwd');
    const stands = (counts: readonly Counts[]): boolean =>
      counts.at(-1)?.received === counts.at(-2)?.received;
    await eventually(reports, stands, 'two reports alike', patience);
    const source = await release.kubectl('logs', '--tail=1', 'chain-source');
    expect(JSON.parse(source).engine.sent).toBeGreaterThan(1000);
  }, 240_000);
});
