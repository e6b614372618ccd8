// SPDX-License-Identifier: Apache-2.0
//
// Bad input, one table: each gives one error object of the specification on standard output, exit status 1, and leaves
// nothing.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { onNode, type Pod, TestNode } from './node.ts';

onNode('bad input', () => {
  let node: TestNode;
  let pod: Pod;

  beforeAll(async () => {
    node = await TestNode.start();
    pod = await node.pod('port-9');
  });

  afterAll(() => node.close());

  interface Bad {
    readonly name: string;
    /** Whole standard input; default the good configuration with `config` added. */
    readonly stdin?: string;
    readonly config?: object;
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly code: number;
    readonly says: readonly string[];
  }

  const table: readonly Bad[] = [
    { name: 'no JSON', stdin: '{', code: 6, says: ['USV_STDIN_JSON'] },
    { name: 'nothing on standard input', stdin: '', code: 6, says: ['USV_STDIN_JSON', 'nothing'] },
    { name: 'JSON that is no object', stdin: '[1]', code: 6, says: ['USV_STDIN_JSON', '[1]'] },
    { name: 'over 1 MiB', stdin: ' '.repeat((1 << 20) + 1), code: 5, says: ['1 MiB'] },
    {
      name: 'no version',
      config: { cniVersion: undefined },
      code: 1,
      says: ['USV_CNI_VERSION', '1.1.0', 'nothing'],
    },
    {
      name: 'an unknown version',
      config: { cniVersion: '9.9.9' },
      code: 1,
      says: ['USV_CNI_VERSION', '"9.9.9"'],
    },
    { name: 'an unknown key', config: { vlan: 7 }, code: 2, says: ['USV_CNI_FIELD', 'vlan', '7'] },
    {
      name: 'an unknown capability',
      config: { runtimeConfig: { bandwidth: { ingressRate: 1 } } },
      code: 2,
      says: ['runtimeConfig.bandwidth', 'ingressRate'],
    },
    {
      name: 'an MTU out of range',
      config: { mtu: 9703 },
      code: 7,
      says: ['USV_CONFIG', 'mtu', '9702', '9703'],
    },
    {
      name: 'a multicast MAC',
      config: { mac: '01:00:5e:00:00:01' },
      code: 7,
      says: ['mac', 'unicast', '01:00:5e'],
    },
    { name: 'a MAC that is none', config: { mac: 'xx' }, code: 7, says: ['mac', 'aa:bb:cc:dd:ee:ff', 'xx'] },
    {
      name: 'an address without prefix',
      config: { ips: ['10.0.0.1'] },
      code: 7,
      says: ['ips.0', '10.0.0.1'],
    },
    { name: 'an address with a zone', config: { ips: ['fe80::1%eth0/64'] }, code: 7, says: ['ips.0'] },
    {
      name: 'IPv6 over a small MTU',
      config: { ips: ['fd00::1/64'], mtu: 1000 },
      code: 7,
      says: ['1280', '1000'],
    },
    {
      name: 'a gateway elsewhere',
      config: { ips: ['10.0.0.1/24'], gateway: '10.0.1.1' },
      code: 7,
      says: ['gateway'],
    },
    {
      name: 'ips beside ipam',
      config: { ips: ['10.0.0.1/24'], ipam: { type: 'x' } },
      code: 7,
      says: ['ips', 'ipam'],
    },
    { name: 'an endpoint unknown', config: { endpoint: 'memif' }, code: 7, says: ['endpoint', 'memif'] },
    {
      name: 'a ring of odd size',
      config: { queueSize: 100 },
      code: 7,
      says: ['queueSize', 'power of two', '100'],
    },
    { name: 'a device with a path', config: { deviceID: '../../x' }, code: 7, says: ['deviceID', '../../x'] },
    {
      name: 'an IPAM plugin with a path',
      config: { ipam: { type: '../x' } },
      code: 7,
      says: ['ipam.type', '../x'],
    },
    { name: 'no device', config: { deviceID: undefined }, code: 7, says: ['USV_DEVICE_UNKNOWN', 'deviceID'] },
    { name: 'another type', config: { type: 'bridge' }, code: 7, says: ['type', 'usvhost', 'bridge'] },
    { name: 'no name', config: { name: undefined }, code: 7, says: ['name'] },
    {
      name: 'no container',
      env: { CNI_CONTAINERID: undefined },
      code: 4,
      says: ['USV_CNI_ENV', 'CNI_CONTAINERID'],
    },
    {
      name: 'a container with a path',
      env: { CNI_CONTAINERID: '../x' },
      code: 4,
      says: ['CNI_CONTAINERID', '../x'],
    },
    { name: 'no interface', env: { CNI_IFNAME: '' }, code: 4, says: ['CNI_IFNAME'] },
    { name: 'an interface with a path', env: { CNI_IFNAME: 'a/b' }, code: 4, says: ['CNI_IFNAME', 'a/b'] },
    {
      name: 'an interface of 16 bytes',
      env: { CNI_IFNAME: 'a'.repeat(16) },
      code: 4,
      says: ['CNI_IFNAME', '15'],
    },
    {
      name: 'an interface of the name of the memory slices',
      env: { CNI_IFNAME: 'mem' },
      code: 7,
      says: ['USV_NAME', 'other than mem'],
    },
    {
      name: 'an ifName of the name of the memory slices',
      config: { ifName: 'mem' },
      code: 7,
      says: ['USV_NAME', 'other than mem'],
    },
    { name: 'no network namespace', env: { CNI_NETNS: undefined }, code: 4, says: ['CNI_NETNS'] },
    {
      name: 'a relative network namespace',
      env: { CNI_NETNS: 'x' },
      code: 4,
      says: ['CNI_NETNS', 'absolute'],
    },
    {
      name: 'arguments that are none',
      env: { CNI_ARGS: 'IgnoreUnknown=1;oops' },
      code: 4,
      says: ['CNI_ARGS', 'oops'],
    },
    { name: 'a variable too long', env: { CNI_ARGS: 'x'.repeat(9000) }, code: 4, says: ['CNI_ARGS', '8192'] },
    { name: 'an unknown command', env: { CNI_COMMAND: 'FLY' }, code: 4, says: ['CNI_COMMAND', 'FLY'] },
    {
      name: 'a namespace that is none',
      env: { CNI_NETNS: '/dev/null' },
      code: 102,
      says: ['USV_TAP', 'EINVAL'],
    },
    {
      name: 'a namespace that is not there',
      env: { CNI_NETNS: '/no/ns' },
      code: 102,
      says: ['USV_TAP', 'ENOENT'],
    },
    {
      name: 'an IPAM plugin that is not there',
      config: { ipam: { type: 'nope' } },
      code: 101,
      says: ['USV_IPAM', 'nope'],
    },
  ];

  describe('ADD with', () => {
    test.each(table)('$name', async (bad) => {
      const stdin = bad.stdin ?? JSON.stringify({ ...node.config(pod), ...bad.config });
      const run = await node.shim({ ...node.environment('ADD', pod), ...bad.env }, stdin);
      expect(run.code).toBe(1);
      expect(run.stderr).toBe('');
      // Codes from 100 on are ours; the table of errors decides which.
      if (bad.code < 100) expect(run.json.code).toBe(bad.code);
      expect(Object.keys(run.json).toSorted()).toEqual(['cniVersion', 'code', 'details', 'msg']);
      for (const text of bad.says) expect(run.json.msg).toContain(text);
      expect(run.json.details).not.toBe('');
      expect(await node.traces()).toEqual([]);
    });

    test('a device that is not allocated', async () => {
      const run = await node.cni('ADD', pod, node.config(pod, { deviceID: 'port-77' }));
      expect(run.json.msg).toContain('USV_DEVICE_UNKNOWN');
      expect(run.json.msg).toContain('port-77');
    });

    test('a place that another container holds', async () => {
      const config = node.config(pod);
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
      const other = await node.cni('ADD', { ...pod, containerId: 'other' }, config);
      expect(other.json.msg).toContain('USV_PORT_OCCUPIED');
      expect(other.json.msg).toContain(pod.containerId);
      const again = await node.cni('ADD', pod, config);
      expect(again.json.msg).toContain('USV_PORT_OCCUPIED');
      expect((await node.cni('CHECK', pod, { ...config, prevResult: {} })).json.msg).toContain('not listed');
      expect((await node.cni('DEL', pod, config)).code).toBe(0);
      expect(await node.traces()).toEqual([]);
    });
  });

  describe('the shim without an agent', () => {
    test.each([
      ['no root', '/nowhere/at/all', 'No such file'],
      ['a root too long for a socket', `/${'r'.repeat(120)}`, 'too long'],
    ])('%s', async (_, root, says) => {
      const run = await node.shim(
        { ...node.environment('ADD', pod), USVHOST_ROOT: root },
        '{"cniVersion":"0.4.0"}',
      );
      expect(run).toMatchObject({ code: 1, json: { cniVersion: '0.4.0', code: 11 } });
      expect(run.json.msg).toContain('USV_AGENT_UNREACHABLE');
      expect(run.json.msg).toContain('agent.sock');
      expect(run.json.msg).toContain(says);
      expect(run.json.details).toContain('usvhost agent');
    });

    test('a socket without a listener, and an agent that hangs up or talks nonsense', async () => {
      const root = mkdtempSync(join(tmpdir(), 'usv-'));
      try {
        mkdirSync(join(root, 'run/usvhost'), { recursive: true });
        const path = join(root, 'run/usvhost/agent.sock');
        for (const reply of ['', 'x'.repeat(64), '\0'.repeat(16)]) {
          const server = createServer((socket) =>
            socket
              .on('error', () => undefined)
              .resume()
              .end(reply),
          ).listen(path);
          const run = await node.shim({ ...node.environment('DEL', pod), USVHOST_ROOT: root }, '{}');
          expect(run).toMatchObject({ code: 1, json: { cniVersion: '1.1.0', code: 11 } });
          await new Promise((resolve) => server.close(resolve));
        }
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    });

    test('prints its usage when nobody calls it as a plugin', async () => {
      const run = await node.shim({}, '').catch((error: unknown) => error);
      expect(run).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('CNI plugin') });
    });

    test.each([
      ['nested', '{"a":{"cniVersion":"0.3.1"},"cniVersion":"0.4.0"}', '0.4.0'],
      ['in a string', '{"a":"\\"cniVersion\\":\\"0.3.1\\"","cniVersion" :\n"1.0.0"}', '1.0.0'],
      ['as a value', '{"a":"cniVersion","cniVersion":"1.0.0"}', '1.0.0'],
      ['hostile', '{"cniVersion":"1.0.0\\",\\"code\\":0"}', '1.1.0'],
      ['endless', `{"cniVersion":"${'1'.repeat(1000)}"}`, '1.1.0'],
      ['cut', '{"cniVersion":"1.0', '1.1.0'],
      ['cut after a backslash', '{"cniVersion":"1\\', '1.1.0'],
    ])('finds the version: %s', async (_, stdin, version) => {
      const run = await node.shim({ CNI_COMMAND: 'VERSION' }, stdin);
      expect(run.json.cniVersion).toBe(version);
    });
  });
});
