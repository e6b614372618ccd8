// SPDX-License-Identifier: Apache-2.0
//
// A runtime may start the shim in a mount namespace of its own, even in a chroot there, as Multus thick does. The pod's
// mount must then be made in the node's, which is that of process 1: here of a process namespace made by the test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { onNode, output, type Pod, shimFile, TestNode } from './node.ts';
import { recordingPlugin } from './recording-plugin.ts';

onNode('a shim in another mount namespace', () => {
  let node: TestNode;
  let pod: Pod;
  let close: (() => Promise<void>) | undefined;

  beforeEach(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });

  afterEach(async () => {
    await close?.();
    close = undefined;
    await node.close();
  });

  const user = (...flags: string[]): string[] => (process.getuid?.() === 0 ? [] : flags);

  /** Starts process 1 after `prepare`, and returns how to run a script beside it. */
  async function startProcessOne(prepare: string) {
    const flags = [
      ...user('-U', '-r'),
      '-m',
      '-p',
      '-f',
      '--kill-child',
      '--mount-proc',
      '--propagation',
      'private',
    ];
    const script = `set -e; mount -t tmpfs none /run; ${prepare}; echo ready; exec sleep 600`;
    const child = spawn('unshare', [...flags, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'close');
    close = async () => {
      child.kill('SIGKILL');
      await ended;
    };
    await once(child.stdout, 'data');
    const first = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    const enter = ['-t', first, ...user('-U', '--preserve-credentials'), '-m', '-p', '--'];
    return (env: object, stdin: string, text: string) => {
      const run = spawn('nsenter', [...enter, 'sh', '-e', '-c', text], {
        env: { PATH: process.env['PATH'], ...env },
      });
      // What asks for nothing may have ended already.
      run.stdin.on('error', () => undefined);
      run.stdin.end(stdin);
      return output(run);
    };
  }

  const bindRun = (): string =>
    `mkdir /run/usvhost /run/chroot; mount --bind ${node.root}/run/usvhost /run/usvhost`;
  const apart = (text: string): string => `exec unshare -m --propagation private sh -e -c '${text}'`;
  const environment = (command: string, path: string): object => ({
    ...node.environment(command, pod),
    // Only a name here, since no tap is made.
    CNI_NETNS: '/proc/1/ns/net',
    CNI_PATH: path,
  });

  test('in a chroot: ADD mounts where process 1 sees it, CHECK finds it, DEL takes it away', async () => {
    const run = await startProcessOne(bindRun());
    const shim = apart(`mount --rbind / /run/chroot; exec chroot /run/chroot ${shimFile}`);
    const plugin = recordingPlugin(node.root);
    const config = node.config(pod, { endpoint: 'socket', ipam: { type: 'recorder' } });
    const call = (command: string, more: object = {}) =>
      run(environment(command, plugin.path), JSON.stringify({ ...config, ...more }), shim);
    const mounts = async (): Promise<string[]> => {
      const { stdout } = await run({}, '', 'cat /proc/self/mountinfo');
      return stdout.split('\n').filter((line) => line.includes(` /run/usvhost/pods/${pod.device}/net1 `));
    };
    const added = await call('ADD');
    expect(added).toMatchObject({ code: 0, stderr: '' });
    const made = await mounts();
    expect(made).toHaveLength(1);
    expect(made[0]).toContain(' ro,nosuid,nodev,noexec');
    expect(await call('CHECK', { prevResult: JSON.parse(added.stdout) })).toMatchObject({
      code: 0,
      stdout: '',
    });
    expect(await call('DEL')).toMatchObject({ code: 0, stdout: '' });
    expect(await mounts()).toEqual([]);
    expect(plugin.calls()).toEqual(['ADD', 'CHECK', 'DEL'].map((command) => `${command} container-0 net1`));
    expect(await node.traces()).toEqual([]);
  });

  test('in a chroot and without an agent: DEL unmounts where process 1 sees it, and is written down there', async () => {
    const run = await startProcessOne(`${bindRun()}; mount -t tmpfs none /var/lib`);
    const shim = apart(`mount --rbind / /run/chroot; exec chroot /run/chroot ${shimFile}`);
    const config = JSON.stringify(node.config(pod, { endpoint: 'socket' }));
    expect(await run(environment('ADD', '/nowhere'), config, shim)).toMatchObject({ code: 0 });
    await node.stopAgent();
    expect(await run(environment('DEL', '/nowhere'), config, shim)).toMatchObject({ code: 0, stdout: '' });
    const { stdout } = await run({}, '', 'cat /proc/self/mountinfo; ls /var/lib/usvhost/tombstones');
    expect(stdout).not.toContain(`/run/usvhost/pods/${pod.device}/net1`);
    expect(stdout).toMatch(/^[0-9a-f]{32}$/mu);
  });

  test('whose process 1 is no node: the mount is made where the shim is', async () => {
    const run = await startProcessOne('true');
    const text = `mount -t tmpfs none /run; ${bindRun()}; ${shimFile} >&2; cat /proc/self/mountinfo`;
    const config = JSON.stringify(node.config(pod, { endpoint: 'socket' }));
    const { code, stdout } = await run(environment('ADD', '/nowhere'), config, apart(text));
    expect(code).toBe(0);
    expect(stdout).toContain(` /run/usvhost/pods/${pod.device}/net1 `);
    expect((await node.cni('DEL', pod, node.config(pod))).code).toBe(0);
  });

  test('with a root of its own: the mount is made where the shim is', async () => {
    const run = await startProcessOne(bindRun());
    const config = JSON.stringify(node.config(pod, { endpoint: 'socket' }));
    const env = { ...environment('ADD', '/nowhere'), USVHOST_ROOT: node.root };
    const { code, stdout } = await run(env, config, apart(`${shimFile} >&2; cat /proc/self/mountinfo`));
    expect(code).toBe(0);
    expect(stdout).toContain(join(node.root, 'run/usvhost/pods', pod.device, 'net1'));
    expect((await node.cni('DEL', pod, node.config(pod))).code).toBe(0);
  });
});
