// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong, and what the person sees where he looks: Helm's output, `kubectl describe`, events, `usvhost doctor`. One release
// that is brought into each situation and out of it again. The table in docs/install.md says the same in words.

import { closeSync, copyFileSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../../cli/demo/process.ts';
import { chart, helm } from '../../../scripts/helm.ts';
import { clusterPeers } from '../../../scripts/packages.ts';
import { eventually } from '../../support/eventually.ts';
import { groupNeeds } from '../../support/need.ts';
import { inside } from '../cluster.ts';
import { importImage } from '../import-image.ts';
import { nodeName, portCount } from '../names.ts';
import { writeNodeFile } from '../node-file.ts';
import { usvhost } from '../pod-space.ts';
import { pod } from '../pods.ts';
import { Release, releaseNamespace } from '../release.ts';
import { said } from '../said.ts';
import { killSandbox } from '../sandbox.ts';
import { stageMillis } from '../stage.ts';
import { undoAll } from '../undo.ts';

const slow = { millis: 90_000, stepMillis: 500 };
const inject = { 'usvhost.io/inject': 'true' };
const foreign = { repository: 'usvhost.test/foreign', tag: 'aarch64' };
const singleDirectory = '/etc/cni/single.d';
const unchecked = '--set=clusterChecks=false';
const onNode = (name: string): string => String.raw`--set=nodeSelector.kubernetes\.io/hostname=${name}`;
/** Of an ELF file's e_machine, and AArch64 in it (ELF-64 object file format, "File header"). */
const [machineOffset, aarch64] = [18, 183];

groupNeeds(...clusterPeers)('a chart that cannot do what it should', () => {
  const undo: (() => Promise<unknown>)[] = [];
  let release: Release;

  beforeAll(async () => {
    release = await Release.install((step) => undo.push(step), { values: [onNode(nodeName)] });
  }, stageMillis);

  afterAll(async () => undoAll(undo), stageMillis);

  /** Waits until the words are in the description of objects; white space counts as one blank. */
  async function described(words: RegExp, ...objects: readonly string[]): Promise<void> {
    // It lists them first, and fails when one of the list is gone before it is described.
    const look = async (): Promise<string> =>
      (await said(run(inside(['kubectl', 'describe', ...objects])))).replaceAll(/\s+/g, ' ');
    await eventually(look, (text) => words.test(text), String(words), slow);
  }

  const ofAgent = ['pods', `--namespace=${releaseNamespace}`, '--selector=app.kubernetes.io/component=agent'];
  const ofPod = (name: string): string[] => ['pod', name, `--namespace=${release.namespace}`];

  /** What doctor says on the node, whether or not it finds something wrong. */
  async function doctor(): Promise<string> {
    return run(inside(['sh', '-c', '"$1" doctor --node || true', 'sh', usvhost]));
  }

  /** An upgrade that cannot become ready. */
  async function upgradeInVain(...values: readonly string[]): Promise<void> {
    await release.helm('upgrade', 'usvhost', chart, '--reuse-values', ...values);
  }

  test('a second release on the same nodes is refused by Helm, and one on other nodes is not', async () => {
    await expect(release.helm('install', 'other', chart)).rejects.toThrow(
      'usvhost is on these nodes already, by the release usvhost in the namespace usvhost',
    );
    // The nodes of an affinity only the scheduler knows.
    for (const apart of [onNode('elsewhere'), '--set-json=affinity={"podAffinity":{}}', unchecked]) {
      const said = await release.helm('install', 'other', chart, apart, '--dry-run=server');
      expect(said).toContain('other-usvhost-agent');
    }
    const overlapping = '--set=nodeSelector.pool=fast';
    await expect(release.helm('install', 'other', chart, overlapping)).rejects.toThrow('already');
  }, 120_000);

  test('a second one past Helm: its switch and agent say that there is one, in kubectl describe', async () => {
    const manifests = async (name: string, mode: string): Promise<string> => {
      const values = ['webhook.enabled=false', 'networkPolicy.enabled=false', 'agent.config.kubernetes=off'];
      const flags = [...values, `network.mode=${mode}`].map((value) => `--set=${value}`);
      const { code, output, errors } = await helm('template', name, chart, '--no-hooks', ...flags);
      expect({ code, errors }).toMatchObject({ code: 0 });
      return output.replaceAll('namespace: default', `namespace: ${release.namespace}`);
    };
    const kubectl = ['kubectl', `--namespace=${release.namespace}`];
    for (const [name, mode] of [
      ['second', 'none'],
      ['third', 'chained'],
    ] as const)
      await run(inside([...kubectl, 'apply', '--filename=-']), { stdin: await manifests(name, mode) });
    try {
      const of = (name: string, component: string): string[] => [
        'pods',
        `--namespace=${release.namespace}`,
        `--selector=app.kubernetes.io/instance=${name},app.kubernetes.io/component=${component}`,
      ];
      await described(/USV_RUNNING: another process already listens on \S+switch/, ...of('second', 'switch'));
      await described(/USV_RUNNING: another agent of this root holds/, ...of('second', 'agent'));
      // On the network of the node, where the first agent has the port of its metrics.
      await described(/FailedScheduling.*free ports/, ...of('third', 'agent'));
    } finally {
      const selector = '--selector=app.kubernetes.io/instance in (second,third)';
      await release.kubectl(
        'delete',
        'daemonsets,configmaps,serviceaccounts',
        selector,
        '--cascade=foreground',
      );
    }
  }, 240_000);

  test('network.mode multus without Multus is refused by Helm', async () => {
    await expect(release.upgrade('--set=network.mode=multus')).rejects.toThrow(
      'network.mode is multus, and this cluster has no Multus',
    );
  }, 60_000);

  test('networks by annotation where there is no Multus are refused', async () => {
    const annotations = { 'usvhost.io/networks': 'fast' };
    await expect(release.apply(pod('wrong', { annotations }))).rejects.toThrow(/USV_ANNOTATION: .*networks/);
  }, 60_000);

  test('a node without tun: the event of the pod says so, and doctor', async () => {
    await run(inside(['mount', '-t', 'tmpfs', 'none', '/dev/net']));
    try {
      await release.apply(pod('a', { annotations: inject }));
      await described(/AttachFailed .*USV_TAP: .*modprobe tun/, ...ofPod('a'));
      expect(await doctor()).toMatch(/note +tun +there is no device \/dev\/net\/tun.*\n.*modprobe tun/);
    } finally {
      await run(inside(['umount', '/dev/net']));
    }
    await release.runs('a');
  }, 240_000);

  test('a node without the switch: its condition, pods that wait, the event of one that cannot be attached, doctor', async () => {
    const patch = async (nowhere: string | null): Promise<void> => {
      const change = { spec: { template: { spec: { nodeSelector: { nowhere } } } } };
      const what = ['daemonset/usvhost-switch', `--patch=${JSON.stringify(change)}`];
      await run(inside(['kubectl', `--namespace=${releaseNamespace}`, 'patch', ...what]));
    };
    await patch('here');
    try {
      await described(/UsvhostSwitchReady False .*SwitchUnreachable/, 'node', nodeName);
      await release.offers(0);
      await release.apply(pod('b', { annotations: inject }));
      await described(/FailedScheduling.*Insufficient usvhost\.io\/port/, ...ofPod('b'));
      expect(await doctor()).toMatch(/first broken\nwrong +switch +there is no \S+switch\.sock/);
      // A pod that has its port needs no scheduler: its sandbox goes, and is made anew.
      await killSandbox(release, 'a');
      await described(/AttachFailed .*USV_SWITCH_UNREACHABLE: .*Start `usvhost switch`/, ...ofPod('a'));
    } finally {
      await patch(null);
    }
    await release.offers(portCount);
    await Promise.all([release.runs('a'), release.runs('b')]);
    await release.remove('a', 'b');
  }, 300_000);

  test('chained behind a network that is a single plugin: kubectl describe has how to convert it', async () => {
    await run(inside(['mkdir', singleDirectory]));
    try {
      const single = JSON.stringify({ cniVersion: '1.0.0', name: 'single', type: 'bridge' });
      await writeNodeFile(`${singleDirectory}/10-single.conf`, single);
      await upgradeInVain(`--set=cni.confDirectory=${singleDirectory}`);
      await described(
        /USV_CONFIG: .*10-single\.conf, got the single plugin bridge; to convert it/,
        ...ofAgent,
      );
      await release.upgrade('--set=cni.confDirectory=/etc/cni/net.d');
    } finally {
      await run(inside(['rm', '-r', singleDirectory]));
    }
  }, 300_000);

  test('an image for another architecture: exec format error in kubectl describe', async () => {
    const fill = async (root: string): Promise<void> => {
      const program = join(root, 'bin/usvhost');
      copyFileSync(join(root, 'bin/busybox'), program);
      const file = openSync(program, 'r+');
      writeSync(file, Buffer.from([aarch64, 0]), 0, 2, machineOffset);
      closeSync(file);
    };
    await importImage(`${foreign.repository}:${foreign.tag}`, fill, { entrypoint: ['/bin/usvhost'] });
    await upgradeInVain(`--set=image.repository=${foreign.repository}`, `--set=image.tag=${foreign.tag}`);
    await described(/exec \/bin\/usvhost: exec format error/, ...ofAgent);
    await release.upgrade('--set=image.repository=usvhost', '--set=image.tag=');
  }, 300_000);

  test('leaves nothing', async () => {
    await release.nothingLeft();
    await release.uninstall();
    expect(await release.traces()).toEqual([]);
  }, 240_000);
});
