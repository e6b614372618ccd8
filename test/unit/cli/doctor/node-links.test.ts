// SPDX-License-Identifier: Apache-2.0
//
// The links of a node, against real directories, sockets and programs.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import {
  checkDirectories,
  checkListener,
  checkPlugin,
  checkTun,
  nodeLinks,
} from '../../../../cli/doctor/node-links.ts';
import { hostPaths } from '../../../../lib/names.ts';
import { backEnds } from '../../../fakes/back-end.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const listen = backEnds();

function program(path: string, script: string): string {
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

test('an empty node: every link broken, each with its command', async () => {
  const root = newRoot();
  const plugin = join(root, 'opt/cni/bin/usvhost');
  const { findings, seen } = await nodeLinks(hostPaths(root), plugin, join(root, 'dev/net/tun'));
  expect(seen).toBeUndefined();
  expect(findings.map(({ what, state, todo = '' }) => [what, state, todo])).toEqual([
    ['directories', 'wrong', expect.stringContaining(`usvhost switch --root ${root}`)],
    ['switch', 'wrong', `usvhost switch --root ${root}`],
    ['agent', 'wrong', `usvhost agent --root ${root}`],
    ['kubelet', 'wrong', 'systemctl restart kubelet'],
    ['device plugin', 'wrong', expect.stringContaining('usvhost agent')],
    ['CNI plugin', 'wrong', `usvhost install --root ${root}`],
    ['tun', 'note', 'modprobe tun'],
  ]);
});

test('directories that others may enter', () => {
  const paths = hostPaths(newRoot());
  mkdirSync(paths.portsDir, { recursive: true });
  mkdirSync(paths.podsDir);
  chmodSync(paths.runDir, 0o700);
  expect(checkDirectories(paths)).toMatchObject({ state: 'ok' });
  chmodSync(paths.runDir, 0o755);
  expect(checkDirectories(paths)).toMatchObject({ state: 'wrong', todo: `chmod 700 ${paths.runDir}` });
});

test('a listener, and a file in its place', async () => {
  const path = join(newRoot(), 'agent.sock');
  await listen(path, () => undefined);
  expect(await checkListener('agent', path, 'start it')).toMatchObject({ state: 'ok' });
  writeFileSync(`${path}2`, '');
  expect(await checkListener('agent', `${path}2`, 'start it')).toMatchObject({
    state: 'wrong',
    todo: 'start it',
  });
});

test('a device, and a directory in its place', () => {
  expect(checkTun('/dev/null')).toMatchObject({ what: 'tun', state: 'ok' });
  const root = newRoot();
  expect(checkTun(root)).toMatchObject({ state: 'note', says: expect.stringContaining(`no device ${root}`) });
});

test.each([
  ['one that speaks', `cat >/dev/null; echo '{"supportedVersions":["1.0.0","1.1.0"]}'`, 'ok', '1.0.0, 1.1.0'],
  ['one that fails', 'exit 3', 'wrong', 'cannot be run: 3'],
  ['one that says something else', 'echo hello', 'wrong', 'does not answer VERSION'],
  ['one that says other JSON', 'echo null', 'wrong', 'does not answer VERSION'],
])('a plugin: %s', async (_, script, state, says) => {
  const root = newRoot();
  const plugin = program(join(root, 'usvhost'), script);
  expect(await checkPlugin(hostPaths(root), plugin)).toMatchObject({
    state,
    says: expect.stringContaining(says),
  });
});
