// SPDX-License-Identifier: Apache-2.0
//
// The shim binary against a hostile agent: no step reaches outside of the run directory, of the pod's network namespace or
// of CNI_PATH. And what the binary costs: size and time to start.

import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';
import { startCniServer } from '../../../cni/server.ts';
import { errnoOf, type Steps } from '../../../cni/session.ts';
import { errnoOf as errnoOfSystem } from '../../../lib/errno.ts';
import { Program } from '../../e2e/program.ts';
import { onNode, type Pod, shimFile, TestNode } from './node.ts';

onNode('the shim', () => {
  let node: TestNode;
  let pod: Pod;
  let run: string;
  const log = { info: () => undefined, warn: () => undefined };
  const owner = { mode: 0o755, uid: 0, gid: 0 };
  const small = { mode: 0o1777, bytes: 65_536, inodes: 8 };
  const tap = {
    ifname: 'net1',
    alias: 'usvhost p1',
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    uid: 0,
    multiQueue: false,
  };

  beforeAll(async () => {
    node = await TestNode.start({ agent: false });
    pod = await node.pod();
    run = join(node.root, 'run/usvhost');
    mkdirSync(join(node.root, 'outside'));
    mkdirSync(join(run, 'ports/p1'), { recursive: true });
    symlinkSync(join(node.root, 'outside'), join(run, 'link'));
    symlinkSync('ports', join(run, 'inner'));
  });

  afterAll(() => node.close());

  /** Lets `act` use the hands of one shim and returns what it returns. */
  async function withHands<T>(act: (steps: Steps) => Promise<T>, env: object = {}): Promise<T> {
    const done = Promise.withResolvers<T>();
    done.promise.catch(() => undefined); // awaited below, after the shim has ended
    const server = await startCniServer({
      socketPath: join(run, 'agent.sock'),
      log,
      queue: new KeyedQueue(),
      handle: async (_, steps) => {
        await act(steps).then(done.resolve, done.reject);
        return { exitCode: 0, stdout: '', result: 'OK' };
      },
    });
    try {
      await node.cni('ADD', pod, {}, { ...env });
      return await done.promise;
    } finally {
      await server.close();
    }
  }

  const errno = (step: Promise<unknown>): Promise<string | undefined> =>
    step.then(
      () => 'done',
      (error: unknown) => errnoOf(error) ?? String(error),
    );

  describe.each(['../x', 'a/../../x', '/etc/x', 'link/x', 'inner/x', 'ports/..', '.', '', 'ports/', '..'])(
    'path %p',
    (path) => {
      test('is refused by every step', async () => {
        const results = await withHands(async (steps) => [
          await errno(steps.mkdir(path, owner)),
          await errno(steps.writeFile(path, owner, 'x')),
          await errno(steps.unlink(path)),
          await errno(steps.empty(path)),
          await errno(steps.rmdir(path)),
          await errno(steps.unmount(path)),
          await errno(steps.mountSmallFs(path, small)),
          await errno(steps.stat(path)),
          await errno(steps.bindReadOnly(path, 'ports/p1')),
          await errno(steps.bindReadOnly('ports/p1', path)),
        ]);
        for (const result of results) expect(['EINVAL', 'ELOOP', 'EXDEV', 'ENOENT']).toContain(result);
        expect(existsSync(join(node.root, 'outside/x'))).toBe(false);
        expect(await node.run('grep', '-c', node.root, '/proc/self/mountinfo').catch(() => '0')).toBe('0');
      });
    },
  );

  test('a symbolic link as last component is never followed', async () => {
    writeFileSync(join(node.root, 'outside/file'), 'old');
    symlinkSync(join(node.root, 'outside/file'), join(run, 'to-file'));
    const results = await withHands(async (steps) => [
      (await steps.stat('to-file')).mode & 0o170000,
      await errno(steps.mkdir('link', owner)),
      await errno(steps.bindReadOnly('link', 'ports/p1')),
      await errno(steps.bindReadOnly('ports/p1', 'link')),
      await errno(steps.writeFile('to-file', owner, 'new')),
    ]);
    expect(results).toEqual([0o120000, 'EEXIST', 'ELOOP', 'ELOOP', 'done']);
    expect(readFileSync(join(node.root, 'outside/file'), 'utf8')).toBe('old');
    expect(readFileSync(join(run, 'to-file'), 'utf8')).toBe('new');
  });

  test('a directory is emptied whoever owns what and however deep it lies, and no link is followed', async () => {
    const directory = join(run, 'ports/p-left');
    mkdirSync(join(directory, 'sealed/inner'), { recursive: true });
    writeFileSync(join(directory, 'sealed/inner/file'), '');
    mkdirSync(join(node.root, 'outside/kept'), { recursive: true });
    symlinkSync(join(node.root, 'outside'), join(directory, 'sealed/inner/link'));
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.from([0xff, 0x2e])]), '');
    let deep = directory;
    for (let depth = 0; depth < 300; depth++) deep = join(deep, 'deeper-and-');
    mkdirSync(deep, { recursive: true });
    chmodSync(join(directory, 'sealed/inner'), 0);
    chmodSync(join(directory, 'sealed'), 0);
    const results = await withHands(async (steps) => [
      await errno(steps.empty('ports/p-left')),
      await errno(steps.rmdir('ports/p-left')),
      await errno(steps.empty('link')),
      await errno(steps.empty('ports/absent')),
    ]);
    expect(results).toEqual(['done', 'done', 'ELOOP', 'ENOENT']);
    expect(existsSync(join(node.root, 'outside/kept'))).toBe(true);
  });

  test('in a small file system no link is followed, a socket least of all, and there is an end to its room', async () => {
    const outside = createServer((socket) => socket.destroy()).listen(join(node.root, 'outside/sock'));
    await once(outside, 'listening');
    const dial = async (path: string): Promise<string> => {
      const socket = connect(node.seen(path));
      return once(socket, 'connect').then(() => 'connected', errnoOfSystem);
    };
    const directory = join(run, 'ports/p-small');
    const link = join(directory, 'vhost.sock');
    try {
      await withHands((steps) => steps.mkdir('ports/p-small', owner));
      await node.run('ln', '-s', join(node.root, 'outside/sock'), link);
      expect(await dial(link)).toBe('connected');
      await node.run('rm', link);

      await withHands(async (steps) => {
        await steps.mountSmallFs('ports/p-small', small);
        expect(await steps.stat('ports/p-small')).toMatchObject({ mode: 0o41777, mountRoot: true });
        await steps.writeFile('ports/p-small/port.json', owner, '{}');
      });
      await node.run('ln', '-s', join(node.root, 'outside/sock'), link);
      await node.run('ln', '-s', join(node.root, 'outside'), join(directory, 'by'));
      expect(await dial(link)).toBe('ELOOP');
      expect(await dial(join(directory, 'by/sock'))).toBe('ELOOP');
      const mounts = await node.run('cat', '/proc/self/mountinfo');
      const options = mounts.split('\n').find((line) => line.includes(` ${directory} `));
      for (const option of ['nosuid', 'nodev', 'noexec', 'nosymfollow']) expect(options).toContain(option);
      await expect(node.run('dd', 'if=/dev/zero', `of=${directory}/x`, 'bs=64k', 'count=2')).rejects.toThrow(
        'No space left on device',
      );
      const many = ['1', '2', '3', '4', '5', '6', '7', '8'].map((name) => join(directory, name));
      await expect(node.run('mkdir', ...many)).rejects.toThrow('No space left on device');
      await withHands(async (steps) => {
        await steps.unmount('ports/p-small');
        await steps.rmdir('ports/p-small');
      });
    } finally {
      outside.close();
    }
  });

  test.each(['../x', '/x', 'a/b', '.', '..', ''])('device information has no name %p', async (name) => {
    mkdirSync(join(node.root, 'var/run'), { recursive: true });
    const results = await withHands(async (steps) => [
      await errno(steps.writeDeviceInfo(name, 'x')),
      await errno(steps.removeDeviceInfo(name)),
    ]);
    expect(results).toEqual(['EINVAL', expect.stringMatching(/^(?:EINVAL|ENOENT)$/u)]);
  });

  test('a mode is exact whatever the umask, and a file is whole or absent', async () => {
    await withHands(async (steps) => {
      await steps.mkdir('ports/wide', { mode: 0o1777, uid: 0, gid: 0 });
      await steps.writeFile('ports/wide/f', { mode: 0o666, uid: 0, gid: 0 }, 'content');
      await steps.writeFile('ports/wide/g', { mode: 0o6755, uid: 0, gid: 0 }, 'no program of root');
      expect(await errno(steps.writeFile('ports/wide', owner, 'x'))).toBe('EISDIR');
    });
    expect(statSync(join(run, 'ports/wide')).mode & 0o7777).toBe(0o1777);
    expect(statSync(join(run, 'ports/wide/f')).mode & 0o7777).toBe(0o666);
    expect(statSync(join(run, 'ports/wide/g')).mode & 0o7777).toBe(0o755);
  });

  test('a tap exists whole or not at all, and only ours is deleted', async () => {
    const results = await withHands(async (steps) => {
      const first = await errno(steps.tapAdd({ ...tap, mtu: 70_000 }));
      const after = await errno(steps.linkGet('net1'));
      await steps.tapAdd(tap);
      return [
        first,
        after,
        await errno(steps.tapAdd(tap)),
        await errno(steps.tapDelete('net1', 'usvhost other')),
        await errno(steps.tapDelete('lo', '')),
        await errno(steps.tapDelete('net1', tap.alias)),
        await errno(steps.tapDelete('net1', tap.alias)),
      ];
    });
    expect(results).toEqual(['EINVAL', 'ENODEV', 'EEXIST', 'EPERM', 'EPERM', 'done', 'ENODEV']);
  });

  test("a tap is deleted in another pod's namespace by its alias, and nowhere else", async () => {
    await withHands((steps) => steps.tapAdd(tap));
    const elsewhere = { CNI_NETNS: (await node.pod()).netns };
    const results = await withHands(
      async (steps) => [
        await errno(steps.tapDelete('net1', tap.alias)),
        await errno(steps.tapDeleteIn('/dev/null', 'net1', tap.alias)),
        await errno(steps.tapDeleteIn('/proc/self/ns/net', 'net1', tap.alias)),
        await errno(steps.tapDeleteIn('/proc/self/ns/mnt', 'net1', tap.alias)),
        await errno(steps.tapDeleteIn(pod.netns, 'net1', 'usvhost other')),
        await errno(steps.tapDeleteIn(pod.netns, 'net1', tap.alias)),
        await errno(steps.tapDeleteIn(pod.netns, 'net1', tap.alias)),
      ],
      elsewhere,
    );
    expect(results).toEqual(['ENODEV', 'EINVAL', 'EINVAL', 'EINVAL', 'EPERM', 'done', 'ENODEV']);
    await expect(withHands((steps) => steps.tapDeleteIn(pod.netns, 'lo', ''))).rejects.toMatchObject({
      code: 'USV_SHIM_GONE',
    });
  });

  test('a multi-queue tap, addresses and routes of both families', async () => {
    const ipv6 = { bytes: Uint8Array.from([0xfd, ...Array(14).fill(0), 5]), length: 64 };
    await withHands(async (steps) => {
      await steps.tapAdd({ ...tap, multiQueue: true });
      await steps.addressAdd('net1', { bytes: Uint8Array.of(10, 1, 2, 3), length: 20 });
      await steps.addressAdd('net1', ipv6);
      await steps.linkUp('net1');
      const destination = { bytes: Uint8Array.of(10, 50, 0, 0), length: 16 };
      await steps.routeAdd('net1', { destination, mtu: 1300, advmss: 1200, priority: 7, table: 1000 });
      const own = await steps.addressList('net1');
      expect(own).toContainEqual({ bytes: Buffer.from(ipv6.bytes), length: 64 });
      expect(await steps.addressList('lo')).toEqual([]);
    });
    expect(await pod.run('ip', '-o', 'addr', 'show', 'net1')).toContain('10.1.2.3/20 brd 10.1.15.255');
    const route = await pod.run('ip', 'route', 'show', 'table', '1000');
    expect(route).toMatch(/10\.50\.0\.0\/16 dev net1 .*scope link metric 7 .*mtu 1300 advmss 1200/u);
    await withHands((steps) => steps.tapDelete('net1', tap.alias));
  });

  describe('a plugin', () => {
    const spec = { command: 'ADD', timeoutMillis: 5000, stdin: Buffer.from('hello') };
    const script = (name: string, text: string): string => {
      const directory = join(node.root, 'bin');
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(directory, name), 0o755);
      return directory;
    };
    const exec = (name: string, text: string, more: object = {}) => {
      const env = { CNI_PATH: `/nowhere::${script(name, text)}` };
      return withHands((steps) => steps.exec({ plugin: name, ...spec, ...more }), env);
    };

    test('gets standard input and its command, and nothing of the shim', async () => {
      const look = `ls -l /proc/$$/fd | grep -v ' [012] -> ' | grep -c -E 'socket:|net:|${run}'`;
      const { exitStatus, stdout } = await exec(
        'p1',
        `cat; echo " $CNI_COMMAND $CNI_IFNAME"; ${look}; exit 7`,
        {
          command: 'CHECK',
        },
      );
      expect(exitStatus).toBe(7);
      expect(stdout.toString()).toBe('hello CHECK net1\n0\n');
    });

    test('of 1 MiB each way', async () => {
      const stdin = Buffer.alloc(1 << 20, 'x');
      expect((await exec('p2', 'cat', { stdin })).stdout).toHaveLength(stdin.length);
    });

    test('that ends by a signal, reads nothing, leaves a child behind, or takes too long', async () => {
      const stdin = Buffer.alloc(1 << 19);
      expect((await exec('p3', 'kill -TERM $$')).exitStatus).toBe(256 + 15);
      expect((await exec('p4', 'exec 0<&-; echo done', { stdin })).stdout.toString()).toBe('done\n');
      expect((await exec('p5', 'sleep 1 2>/dev/null & echo done')).stdout.toString()).toBe('done\n');
      await expect(exec('p6', 'sleep 30', { timeoutMillis: 100 })).rejects.toThrow('ETIMEDOUT');
      await expect(exec('p7', 'cat /dev/zero')).rejects.toThrow('EFBIG');
    });

    test.each(['../bin/p1', '/bin/true', '', '.', '..', 'not-there'])('%p is not run', async (plugin) => {
      const result = await withHands((steps) => errno(steps.exec({ plugin, ...spec })));
      expect(['EINVAL', 'ENOENT']).toContain(result);
    });
  });

  test('the binary is static and below 1 MB', () => {
    expect(statSync(shimFile).size).toBeLessThan(1_000_000);
    expect(readFileSync(shimFile).includes('/lib64/ld-linux')).toBe(false);
  });

  test('tells a probe whether somebody listens on a socket', async () => {
    const socket = join(node.root, 'probe.sock');
    const ask = async (...args: readonly string[]): Promise<readonly [number | string, string]> => {
      const { status, stderr } = await new Program([shimFile, 'listening', ...args], { stdin: '' }).ended();
      return [status, stderr];
    };
    expect(await ask(socket)).toEqual([1, `${socket}: No such file or directory\n`]);
    const server = createServer().listen(socket);
    await once(server, 'listening');
    expect(await ask(socket)).toEqual([0, '']);
    server.close();
    await once(server, 'close');
    writeFileSync(socket, '');
    expect(await ask(socket)).toEqual([1, `${socket}: Connection refused\n`]);
    expect(await ask()).toEqual([2, 'usage: usvhost listening SOCKET\n']);
  });
});
