// SPDX-License-Identifier: Apache-2.0
//
// The example ovs-dpdk: the chart with its values on a node with Open vSwitch, and two-pods on it as on our own switch.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../../cli/demo/process.ts';
import { clusterPeers } from '../../../scripts/packages.ts';
import { groupNeeds } from '../../support/need.ts';
import { RunningOvs } from '../../support/ovs.ts';
import { inside } from '../cluster.ts';
import { exampleFile, follow, importExampleImages } from '../examples.ts';
import { Release } from '../release.ts';
import { stageMillis } from '../stage.ts';
import { type OnUndo, undoAll } from '../undo.ts';

/** Where Debian has it, and so the example. */
const place = '/run/openvswitch';

/** Open vSwitch as a part of the node. */
async function startOvs(onUndo: OnUndo): Promise<RunningOvs> {
  const directory = mkdtempSync(join(tmpdir(), 'usv-ovs-'));
  onUndo(async () => rmSync(directory, { recursive: true }));
  await run(inside(['sh', '-c', `mkdir ${place} && mount --bind ${directory} ${place}`]));
  onUndo(async () => run(inside(['sh', '-c', `umount ${place} && rmdir ${place}`])));
  const ovs = new RunningOvs(directory, { enter: inside([]) });
  onUndo(async () => ovs.close());
  // Those of the node: what entered it for them ends by itself then.
  const kill = `cat ${directory}/server.pid ${directory}/vswitchd.pid | xargs -r kill -KILL`;
  onUndo(async () => run(inside(['sh', '-c', kill])));
  await ovs.startServer();
  await ovs.startVswitchd();
  await ovs.ctl('add-br', 'br-usvhost', '--', 'set', 'bridge', 'br-usvhost', 'datapath_type=netdev');
  return ovs;
}

groupNeeds(
  ...clusterPeers,
  'iperf3',
  'dpdk-testpmd',
  'ovs-vswitchd-dpdk',
)('the example ovs-dpdk', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let ovs: RunningOvs;
  let release: Release;

  beforeAll(async () => {
    await importExampleImages();
    ovs = await startOvs((step) => undo.push(step));
    const values = [`--values=${exampleFile('ovs-dpdk/values.yaml')}`];
    const labels = ['pod-security.kubernetes.io/enforce=restricted'];
    release = await Release.install((step) => undo.push(step), { values, labels });
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  test('has no switch of ours, and pods that are its ports in a VLAN', async () => {
    expect(await release.kubectl('get', 'daemonsets', '--all-namespaces', '--output=name')).toBe(
      'daemonset.apps/usvhost-agent',
    );
    expect(await follow(release, 'two-pods.yaml')).toContain('This is page, by net1.');
    const ports = await ovs.ports();
    expect(ports).toHaveLength(2);
    for (const port of ports) expect(await ovs.ctl('get', 'port', port, 'tag')).toBe('100');
  }, 240_000);

  test('has none of them when they are gone', async () => {
    await release.remove('page', 'reader');
    await release.nothingLeft();
    expect(await ovs.ports()).toEqual([]);
  }, 240_000);
});
