// SPDX-License-Identifier: Apache-2.0
//
// The README's way from this folder to two pods that ping each other, letter by letter. What differs from a reader's machine: `npm ci` is
// not run again, the image is the one that `npm run test:cluster` has just built by the second command of that line, helm is the
// project's, and busybox is the machine's under the name that the README has.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../../../cli/demo/process.ts';
import { buildHelm } from '../../../scripts/helm.ts';
import { projectRoot } from '../../../scripts/main.ts';
import { clusterPeers } from '../../../scripts/packages.ts';
import { groupNeeds } from '../../support/need.ts';
import { inside } from '../cluster.ts';
import { importImage } from '../import-image.ts';
import { stageMillis } from '../stage.ts';

const page = readFileSync(join(projectRoot, 'README.md'), 'utf8');
const [, section = ''] = /^## On a cluster\n([\s\S]*?)^## /m.exec(page) ?? [];
const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands = '']) => commands);

groupNeeds(...clusterPeers)('the README, letter by letter', () => {
  let path = '';
  let installed = false;

  /** Runs commands as they are, in the project's folder on the node; the first that fails ends them. */
  const shell = async (commands: string): Promise<string> =>
    run(inside(['sh', '-ec', `PATH="${path}:$PATH"; cd "${projectRoot}"\n${commands}`]));

  beforeAll(async () => {
    path = dirname(await buildHelm());
    await importImage('docker.io/library/busybox:1.36', async () => undefined);
  }, stageMillis);

  afterAll(async () => {
    // As the last block, from wherever the story broke off.
    if (!installed) return;
    await shell(`kubectl delete pod left right --ignore-not-found
      helm uninstall usvhost --namespace usvhost --ignore-not-found --wait
      kubectl delete namespace usvhost --ignore-not-found`);
  }, stageMillis);

  test('has five blocks of commands', () => {
    expect(blocks).toHaveLength(5);
  });

  test('brings the image to the node', async () => {
    const [build = '', ...rest] = (blocks[0] ?? '').split('\n');
    expect(build).toBe('npm ci && npm run image');
    expect(await shell(rest.join('\n'))).toContain('usvhost');
  }, 120_000);

  test('installs the chart', async () => {
    installed = true;
    expect(await shell(blocks[1] ?? '')).toContain('STATUS: deployed');
  }, 240_000);

  test('makes two pods', async () => {
    expect(await shell(blocks[2] ?? '')).toContain('pod/right condition met');
  }, 240_000);

  test('ends in a ping', async () => {
    expect(await shell(blocks[3] ?? '')).toContain(
      '3 packets transmitted, 3 packets received, 0% packet loss',
    );
  }, 60_000);

  test("lets doctor run in the agent's container, as docs/operations.md says", async () => {
    const agent = await shell('kubectl -n usvhost get pods -o name -l app.kubernetes.io/component=agent');
    const said = await shell(
      `kubectl -n usvhost exec ${agent.trim()} -c agent -- usvhost doctor --pod default/left`,
    );
    expect(said).toContain('CNI plugin');
    await expect(
      shell(`kubectl -n usvhost exec ${agent.trim()} -c agent -- usvhost ports`),
    ).resolves.toContain('default/left');
  }, 60_000);

  test('takes everything away', async () => {
    await shell(blocks[4] ?? '');
    installed = false;
    // A directory that is a mount point, as the cluster's own, is emptied only.
    const left = await shell(
      'find /run /opt/cni -xdev -name "*usvhost*" || true; find /var/lib/usvhost -mindepth 1 || true',
    );
    expect(left).toBe('');
  }, 240_000);
});
