// SPDX-License-Identifier: Apache-2.0
//
// `usvhost install` as a program with the real plugin: what is installed runs, and is gone again after --uninstall.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { temporaryRoots } from '../fakes/temporary-root.ts';
import { Program, usvhost } from './program.ts';

const newRoot = temporaryRoots();
const list = { cniVersion: '1.0.0', name: 'cluster', plugins: [{ type: 'bridge', bridge: 'cni0' }] };

test('the plugin and its entry come and go', async () => {
  const root = newRoot();
  const confDir = join(root, 'etc/cni/net.d');
  const conflist = join(confDir, '10-cluster.conflist');
  const plugin = join(root, 'opt/cni/bin/usvhost');
  mkdirSync(confDir, { recursive: true });
  writeFileSync(conflist, JSON.stringify(list));
  const install = async (...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await usvhost(['install', '--root', root, ...args], {
      stdin: '',
    }).ended();
    expect([status, stderr]).toEqual([0, '']);
    return stdout;
  };

  const chain = ['--chain', 'auto', '--chain-config', '{"ifName":"net1"}'];
  expect(JSON.parse(await install(...chain, '--json'))).toEqual({
    shim: { path: plugin, action: 'installed' },
    chain: [{ path: conflist, action: 'added' }],
  });
  const version = await new Program([plugin], { env: { CNI_COMMAND: 'VERSION' }, stdin: '{}' }).ended();
  expect(version.status).toBe(0);
  expect(JSON.parse(version.stdout)).toMatchObject({ supportedVersions: expect.arrayContaining(['1.1.0']) });
  expect(JSON.parse(readFileSync(conflist, 'utf8'))).toEqual({
    ...list,
    plugins: [...list.plugins, { type: 'usvhost', ifName: 'net1' }],
  });

  expect(await install(...chain)).toBe(`${plugin}: unchanged\n${conflist}: unchanged\n`);
  expect(await install('--uninstall', '--chain', 'auto')).toBe(`${plugin}: removed\n${conflist}: removed\n`);
  expect(JSON.parse(readFileSync(conflist, 'utf8'))).toEqual(list);
  expect([readdirSync(confDir), readdirSync(join(root, 'opt/cni/bin'))]).toEqual([
    ['10-cluster.conflist'],
    [],
  ]);
}, 60_000);
