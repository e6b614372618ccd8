// SPDX-License-Identifier: Apache-2.0
//
// Installing below a root and taking back: what is ours comes and goes, what is not stays as it is.

import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { type InstallPlan, install, uninstall } from '../../../../cli/install/run.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const list = { cniVersion: '1.0.0', name: 'cluster', plugins: [{ type: 'bridge' }] };

/** A binary of a release that is as large as one page. */
function shim(release: string): string {
  return `\x7fELF${release.padEnd(4096, ' ')}usvhost is a CNI plugin: a container runtime starts it`;
}

function write(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, 'latin1');
  return path;
}

function plan(root: string, more: Partial<InstallPlan> = {}): InstallPlan {
  const cniBinDir = '/opt/cni/bin';
  const cniConfDir = '/etc/cni/net.d';
  const given = write(join(root, 'shim'), shim('1'));
  return { root, cniBinDir, cniConfDir, shim: given, chain: undefined, options: {}, ...more };
}

const binary = (root: string): string => join(root, 'opt/cni/bin/usvhost');
const conf = (root: string, name = '10-cluster.conflist'): string => join(root, 'etc/cni/net.d', name);

test('the plugin: installed, unchanged, updated, removed, absent', () => {
  const root = newRoot();
  const first = plan(root);
  const path = binary(root);
  expect(install(first)).toEqual({ shim: { path, action: 'installed' }, chain: [] });
  expect(statSync(path).mode & 0o7777).toBe(0o755);
  const { ino } = statSync(path);
  expect(install(first).shim.action).toBe('unchanged');
  expect(statSync(path).ino).toBe(ino);
  expect(install(plan(root, { shim: write(join(root, 'newer'), shim('2')) })).shim.action).toBe('updated');
  expect(readFileSync(path, 'latin1')).toBe(shim('2'));
  expect(uninstall(first).shim.action).toBe('removed');
  expect(uninstall(first).shim.action).toBe('absent');
  expect(readdirSync(dirname(path))).toEqual([]);
});

test("somebody else's binary of our name is neither replaced nor removed", () => {
  const root = newRoot();
  const path = write(binary(root), '\x7fELF another program');
  expect(() => install(plan(root))).toThrow(path);
  expect(uninstall(plan(root)).shim.action).toBe('kept');
  expect(readFileSync(path, 'latin1')).toBe('\x7fELF another program');
});

test('a file that is no plugin of ours is not installed', () => {
  const root = newRoot();
  const script = write(join(root, 'script'), '#!/bin/sh\n# usvhost is a CNI plugin\n');
  expect(() => install(plan(root, { shim: script }))).toThrow(
    expect.objectContaining({ code: 'USV_CONFIG' }),
  );
  expect(() => install(plan(root, { shim: join(root, 'none') }))).toThrow(
    expect.objectContaining({ code: 'USV_NATIVE_BUILD' }),
  );
});

test('auto takes the configuration that a runtime takes', () => {
  const root = newRoot();
  const path = write(conf(root), JSON.stringify(list));
  write(conf(root, '05-note.txt'), 'no configuration');
  write(conf(root, '90-other.conflist'), JSON.stringify(list));
  const chained = plan(root, { chain: 'auto', options: { ifName: 'net1' } });
  expect(install(chained).chain).toEqual([{ path, action: 'added' }]);
  expect(install(chained).chain).toEqual([{ path, action: 'unchanged' }]);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    ...list,
    plugins: [{ type: 'bridge' }, { type: 'usvhost', ifName: 'net1' }],
  });
  expect(uninstall(chained)).toEqual({
    shim: { path: binary(root), action: 'removed' },
    chain: [{ path, action: 'removed' }],
  });
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(list);
  expect(uninstall(chained).chain).toEqual([]);
});

test('a refused list leaves the node as it was', () => {
  const root = newRoot();
  const path = write(conf(root, '10-cluster.conf'), '{"cniVersion":"1.0.0","name":"n","type":"bridge"}');
  expect(() => install(plan(root, { chain: 'auto' }))).toThrow(path);
  expect(() => install(plan(root, { chain: '/etc/cni/net.d/none.conflist' }))).toThrow('ENOENT');
  expect(readdirSync(root)).not.toContain('opt');
});

test('auto without any configuration says so', () => {
  const root = newRoot();
  expect(() => install(plan(root, { chain: 'auto' }))).toThrow('--chain auto');
});

test('the plugin is not taken away from under a list', () => {
  const root = newRoot();
  const path = write(conf(root), JSON.stringify(list));
  install(plan(root, { chain: 'auto' }));
  expect(() => uninstall(plan(root))).toThrow(path);
  expect(statSync(binary(root)).isFile()).toBe(true);
});

test('owner and mode of a list stay, and a link to it', () => {
  const root = newRoot();
  const real = write(join(root, 'var/list'), JSON.stringify(list));
  const path = conf(root);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(real, path);
  const before = statSync(real);
  install(plan(root, { chain: '/etc/cni/net.d/10-cluster.conflist' }));
  const after = statSync(real);
  expect(after.ino).not.toBe(before.ino);
  expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
  expect(readFileSync(real, 'utf8')).toContain('usvhost');
});
