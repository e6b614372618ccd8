// SPDX-License-Identifier: Apache-2.0
//
// ADD, CHECK, DEL and STATUS through the real shim, per version of the CNI specification, on real namespaces and taps.

import { chmodSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { hostPaths } from '../../../lib/names.ts';
import { onNode, type Pod, TestNode } from './node.ts';

onNode('attachments', () => {
  let node: TestNode;
  let pod: Pod;

  beforeEach(async () => {
    node = await TestNode.start();
    pod = await node.pod();
  });

  afterEach(() => node.close());

  interface Link {
    readonly address: string;
    readonly mtu: number;
    readonly flags: readonly string[];
    readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
  }

  async function links(of: Pod): Promise<ReadonlyMap<string, Link>> {
    const list = JSON.parse(await of.run('ip', '-j', 'addr')) as (Link & { readonly ifname: string })[];
    return new Map(list.map((link) => [link.ifname, link]));
  }

  describe.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('cniVersion %s', (cniVersion) => {
    test('ADD makes port, mount and tap, CHECK agrees, DEL leaves nothing', async () => {
      const config = node.config(pod, { cniVersion, ipam: node.hostLocal(), mtu: 1400 });
      const added = await node.cni('ADD', pod, config);
      expect(added).toMatchObject({ code: 0, stderr: '' });
      const result = added.json;
      expect(result.cniVersion).toBe(cniVersion);
      const [made] = result.interfaces;
      expect(made).toMatchObject({ name: 'net1', sandbox: pod.netns });
      expect(made.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/u);
      const latest = cniVersion === '1.1.0';
      expect('mtu' in made).toBe(latest);
      expect('socketPath' in made).toBe(latest);
      const [ip] = result.ips;
      expect(ip).toMatchObject({ interface: 0, address: '10.9.0.2/24', gateway: '10.9.0.1' });
      expect(ip.version).toBe(cniVersion < '1.0.0' ? '4' : undefined);
      expect(result.routes).toEqual([{ dst: '10.77.0.0/16' }]);

      const link = (await links(pod)).get('net1');
      expect(link).toMatchObject({ address: made.mac, mtu: 1400 });
      expect(link?.flags).toContain('UP');
      expect(link?.addr_info).toContainEqual(expect.objectContaining({ local: '10.9.0.2', prefixlen: 24 }));
      expect(await pod.run('ip', 'route')).toContain('10.77.0.0/16 via 10.9.0.1 dev net1');

      const checked = await node.cni('CHECK', pod, { ...config, prevResult: result });
      if (cniVersion < '0.4.0') expect(checked).toMatchObject({ code: 1, json: { code: 1, cniVersion } });
      else expect(checked).toMatchObject({ code: 0, stdout: '' });

      expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0, stdout: '' });
      expect(await node.traces()).toEqual([]);
      expect([...(await links(pod)).keys()]).toEqual(['lo']);
      expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0, stdout: '' });
    });

    test('STATUS', async () => {
      const config = node.config(pod, { cniVersion, ipam: node.hostLocal() });
      const now = await node.shim({ CNI_COMMAND: 'STATUS' }, JSON.stringify(config));
      if (cniVersion !== '1.1.0') {
        expect(now).toMatchObject({ code: 1, json: { code: 1, cniVersion } });
        return;
      }
      expect(now).toMatchObject({ code: 0, stdout: '' });
      await node.switch.kill();
      const later = await node.shim({ CNI_COMMAND: 'STATUS' }, JSON.stringify(config));
      expect(later).toMatchObject({ code: 1, json: { code: 50, cniVersion } });
      expect(later.json.msg).toContain('USV_SWITCH_UNREACHABLE');
    });

    test('VERSION needs no agent', async () => {
      await node.stopAgent();
      const { code, json } = await node.shim({ CNI_COMMAND: 'VERSION' }, JSON.stringify({ cniVersion }));
      expect(code).toBe(0);
      const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
      expect(json).toEqual({ cniVersion, supportedVersions });
    });
  });

  test('port.json tells the pod everything, and the pod cannot change it', async () => {
    const mac = '02:00:00:00:00:aa';
    const runtimeConfig = { mac: mac.toUpperCase(), ips: ['fd00::5/64', '10.1.2.3/24'] };
    const config = node.config(pod, { runtimeConfig, capabilities: { mac: true, ips: true } });
    const added = await node.cni('ADD', pod, config);
    expect(added.code).toBe(0);
    const directory = join(node.root, 'run/usvhost/pods', pod.device, 'net1');
    const document: unknown = JSON.parse(await node.run('cat', join(directory, 'port.json')));
    expect(document).toEqual({
      version: 1,
      ifname: 'net1',
      socket: { pod: '/var/run/usvhost/net1/vhost.sock', host: added.json.interfaces[0].socketPath },
      podRole: 'client',
      mac,
      mtu: 1500,
      queues: 1,
      queueSize: 256,
      ips: ['fd00::5/64', '10.1.2.3/24'],
      endpoint: 'tap',
      network: 'fast',
    });
    await expect(node.run('rm', join(directory, 'vhost.sock'))).rejects.toThrow('Read-only');
    expect(await pod.run('ip', '-6', 'addr', 'show', 'net1')).toContain('fd00::5/64');
    expect(node.switch.ports.size).toBe(1);
    expect([...node.switch.ports.values()][0]).toMatchObject({
      network: 'fast',
      mac,
      mtu: 1500,
      socket_mode: 0o666,
    });
  });

  test('with several queue pairs the tap has several queues', async () => {
    expect(await node.cni('ADD', pod, node.config(pod, { queues: 2 }))).toMatchObject({ code: 0 });
    const document = join(node.root, 'run/usvhost/pods', pod.device, 'net1', 'port.json');
    expect(JSON.parse(await node.run('cat', document))).toMatchObject({ queues: 2 });
    expect(await pod.run('ip', '-d', 'link', 'show', 'net1')).toContain('multi_queue');
  });

  test('podRole server: the pod listens in its directory, and what it leaves there goes with the port', async () => {
    const config = node.config(pod, { podRole: 'server', endpoint: 'socket' });
    const added = await node.cni('ADD', pod, config);
    expect(added.code).toBe(0);
    const directory = join(node.root, 'run/usvhost/pods', pod.device, 'net1');
    const document: unknown = JSON.parse(await node.run('cat', join(directory, 'port.json')));
    expect(document).toMatchObject({ podRole: 'server' });
    const [port] = [...node.switch.ports.values()];
    expect(port).toMatchObject({ role: 'connect', socket_mode: 0o777 });
    const listener = `require('node:net').createServer().listen(${JSON.stringify(join(directory, 'vhost.sock'))})`;
    await node.run(process.execPath, '-e', `${listener}.on('listening', () => process.exit())`);
    expect(statSync(hostPaths(node.root).portSocket(port?.name ?? '')).isSocket()).toBe(true);
    await node.run('touch', join(directory, 'anything'));
    expect(await node.cni('CHECK', pod, { ...config, prevResult: added.json })).toMatchObject({ code: 0 });
    // The agent gives the port to a new switch in the same role.
    await node.switch.kill();
    await node.switch.start();
    await node.switch.untilPort(port?.name ?? '');
    expect([...node.switch.ports.values()]).toEqual([port]);
    expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0 });
    expect(await node.traces()).toEqual([]);
  });

  test('endpoint socket: no tap, the same result', async () => {
    const config = node.config(pod, {
      endpoint: 'socket',
      ips: ['10.5.5.5/24', '10.1.2.3/24'],
      gateway: '10.1.2.1',
    });
    const added = await node.cni('ADD', pod, config);
    expect(added.json.interfaces[0]).toMatchObject({ name: 'net1', sandbox: pod.netns, mtu: 1500 });
    expect(added.json.ips).toEqual([
      { interface: 0, address: '10.5.5.5/24' },
      { interface: 0, address: '10.1.2.3/24', gateway: '10.1.2.1' },
    ]);
    expect([...(await links(pod)).keys()]).toEqual(['lo']);
    expect(await node.cni('CHECK', pod, { ...config, prevResult: added.json })).toMatchObject({ code: 0 });
    expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0 });
    expect(await node.traces()).toEqual([]);
  });

  test('chained behind another plugin: its result is passed on, the interface is named by ifName', async () => {
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'eth0', mac: '0a:00:00:00:00:01', sandbox: pod.netns }],
      ips: [{ address: '10.0.0.9/24', interface: 0 }],
      dns: { nameservers: ['10.0.0.1'] },
    };
    const config = node.config(pod, {
      cniVersion: '1.0.0',
      ifName: 'fast0',
      ips: ['10.1.2.3/24'],
      prevResult,
    });
    const env = { CNI_IFNAME: 'eth0' };
    const added = await node.cni('ADD', pod, config, env);
    expect(added.json.interfaces).toHaveLength(2);
    expect(added.json.ips).toEqual([
      { address: '10.0.0.9/24', interface: 0 },
      { address: '10.1.2.3/24', interface: 1 },
    ]);
    expect(added.json.dns).toEqual(prevResult.dns);
    expect(await node.cni('CHECK', pod, { ...config, prevResult: added.json }, env)).toMatchObject({
      code: 0,
    });
    expect(await node.cni('DEL', pod, config, env)).toMatchObject({ code: 0 });
    expect(await node.traces()).toEqual([]);
  });

  test('static IPAM with the addresses of the runtime', async () => {
    const ipam = { type: 'static', routes: [{ dst: '0.0.0.0/0', gw: '10.3.0.1' }] };
    const runtimeConfig = { ips: ['10.3.0.7/16'] };
    const config = node.config(pod, { ipam, runtimeConfig, capabilities: { ips: true } });
    const added = await node.cni('ADD', pod, config);
    expect(added.json.ips).toEqual([{ interface: 0, address: '10.3.0.7/16' }]);
    expect(await pod.run('ip', 'route')).toContain('default via 10.3.0.1 dev net1');
  });

  test('the tap is persistent, has a vnet header, an owner and our mark', async () => {
    await node.cni('ADD', pod, node.config(pod, { uid: 0 }));
    const [tap] = JSON.parse(await pod.run('ip', '-j', '-d', 'link', 'show', 'net1'));
    expect(tap.linkinfo.info_data).toMatchObject({
      type: 'tap',
      pi: false,
      vnet_hdr: true,
      persist: true,
      user: 'root',
    });
    expect(tap.ifalias).toMatch(/^usvhost p[0-9a-f]{14}$/u);
  });

  test('attachments of different pods and several of one pod, all at the same time', async () => {
    const pods = await Promise.all([node.pod(), node.pod(), node.pod()]);
    const ipam = node.hostLocal();
    const jobs = pods.flatMap((each) =>
      ['net1', 'net2'].map((ifname) =>
        node.cni('ADD', each, node.config(each, { ipam }), { CNI_IFNAME: ifname }),
      ),
    );
    const results = await Promise.all(jobs);
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(new Set(results.map(({ json }) => json.ips[0].address)).size).toBe(6);
    expect(new Set(results.map(({ json }) => json.interfaces[0].mac)).size).toBe(6);
    for (const each of pods) {
      for (const ifname of ['net1', 'net2']) {
        expect((await node.cni('DEL', each, node.config(each, { ipam }), { CNI_IFNAME: ifname })).code).toBe(
          0,
        );
      }
    }
    expect(await node.traces()).toEqual([]);
  });

  describe('DEL', () => {
    test('without CNI_NETNS and without prevResult, after the namespace is gone', async () => {
      const config = node.config(pod, { ipam: node.hostLocal() });
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
      pod.close();
      expect(await node.cni('DEL', pod, config, { CNI_NETNS: undefined })).toMatchObject({ code: 0 });
      expect(await node.traces()).toEqual([]);
    });

    test('of what never was, without device and with a configuration that ADD refuses', async () => {
      const config = { cniVersion: '1.0.0', name: 'fast', type: 'usvhost', wrong: true, mtu: 'x' };
      expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0, stdout: '' });
    });

    test('by a record alone when the configuration has no device any more', async () => {
      const config = node.config(pod, { ipam: node.hostLocal() });
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
      expect(
        await node.cni('DEL', pod, { cniVersion: '1.1.0', name: 'fast', type: 'usvhost' }),
      ).toMatchObject({
        code: 0,
      });
      expect(await node.traces()).toEqual([]);
    });

    test('without a record (lost state) by the names alone', async () => {
      const config = node.config(pod, { ipam: node.hostLocal() });
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
      await node.stopAgent();
      rmSync(hostPaths(node.root).stateDir, { recursive: true });
      await node.startAgent();
      expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0 });
      expect(await node.traces()).toEqual([]);
      expect([...(await links(pod)).keys()]).toEqual(['lo']);
    });

    test('late, of a container whose device has another one now, touches nothing of it', async () => {
      const old = { ...pod, containerId: 'old' };
      const config = node.config(pod);
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
      const before = await node.traces();
      expect(await node.cni('DEL', old, config)).toMatchObject({ code: 0 });
      expect(await node.traces()).toEqual(before);
      expect((await links(pod)).has('net1')).toBe(true);
    });

    test('with the switch away succeeds, and the switch is told when it is back', async () => {
      const config = node.config(pod, { ipam: node.hostLocal() });
      expect((await node.cni('ADD', pod, config)).code).toBe(0);
      await node.switch.kill();
      expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0 });
      expect(await node.traces()).toEqual([]);
    });

    test('leaves an interface of the same name that is not ours', async () => {
      await pod.run('ip', 'tuntap', 'add', 'net1', 'mode', 'tap');
      expect(await node.cni('DEL', pod, node.config(pod))).toMatchObject({ code: 0 });
      expect((await links(pod)).has('net1')).toBe(true);
    });
  });

  test('a restarted switch gets its ports again, in the directories the pods see', async () => {
    const added = await node.cni('ADD', pod, node.config(pod));
    const socket: string = added.json.interfaces[0].socketPath;
    const [port = ''] = node.switch.ports.keys();
    const directory = statSync(join(socket, '..')).ino;
    await node.switch.kill();
    await node.switch.start();
    await node.switch.untilPort(port);
    expect(statSync(join(socket, '..')).ino).toBe(directory);
    const seen = join(node.root, 'run/usvhost/pods', pod.device, 'net1/vhost.sock');
    expect(await node.run('stat', '-c', '%F', seen)).toBe('socket\n');
  });

  test('a switch that does not know networks is refused: nothing is left, and CHECK says where a port is', async () => {
    const config = node.config(pod);
    const prevResult = (await node.cni('ADD', pod, config)).json;
    const [port = ''] = node.switch.ports.keys();
    await node.switch.kill();
    node.switch.becomeOld();
    await node.switch.start();
    await node.switch.untilPort(port);
    const checked = await node.cni('CHECK', pod, { ...config, prevResult });
    expect(checked.json.msg).toContain('expected fast for network of the port');
    expect(await node.cni('DEL', pod, config)).toMatchObject({ code: 0 });
    const added = await node.cni('ADD', pod, config);
    expect(added).toMatchObject({ code: 1, json: { code: 11 } });
    expect(added.json.msg).toContain('USV_SWITCH_OLD');
    expect(await node.traces()).toEqual([]);
    expect(node.switch.ports.size).toBe(0);
  });

  test('CHECK is content with a peer that is connected, or that has not come yet', async () => {
    const config = node.config(pod);
    const prevResult = (await node.cni('ADD', pod, config)).json;
    for (const state of ['handshake', 'up']) {
      node.switch.say({ state, connections: 1, features: 2 ** 32 + 1 });
      expect(await node.cni('CHECK', pod, { ...config, prevResult })).toMatchObject({ code: 0, stdout: '' });
    }
  });

  describe('CHECK finds', () => {
    type Damage = (config: Record<string, unknown>) => unknown;
    const socketOf = (): string => {
      const [port = ''] = node.switch.ports.keys();
      return hostPaths(node.root).portSocket(port);
    };
    const damages: readonly (readonly [name: string, damage: Damage, message: string])[] = [
      ['a tap that is down', () => pod.run('ip', 'link', 'set', 'net1', 'down'), 'down'],
      ['another MTU', () => pod.run('ip', 'link', 'set', 'net1', 'mtu', '1300'), 'mtu of net1'],
      [
        'another MAC',
        () => pod.run('ip', 'link', 'set', 'net1', 'address', '02:00:00:00:00:01'),
        'mac of net1',
      ],
      ['a missing address', () => pod.run('ip', 'addr', 'flush', 'dev', 'net1'), 'the address 10.1.2.3/24'],
      ['a missing tap', () => pod.run('ip', 'link', 'del', 'net1'), 'net1'],
      [
        'a missing mount',
        () => node.run('umount', join(node.root, 'run/usvhost/pods', pod.device, 'net1')),
        'bind mount',
      ],
      ['a missing port', () => node.switch.kill(), 'USV'],
      ['a socket of another mode', () => chmodSync(socketOf(), 0o600), 'mode of ports/'],
      [
        'a peer that was lost',
        () => node.switch.say({ state: 'listening', connections: 1, last_error: 'USV_RING: odd' }),
        'none any more (USV_RING: odd)',
      ],
      [
        'a peer of another time',
        () => node.switch.say({ state: 'up', connections: 1, features: 1 }),
        'VIRTIO_F_VERSION_1',
      ],
    ];
    // A user namespace of one user has nobody to give a file to.
    const other: Damage = () => node.run('chown', '0:1', socketOf());
    const owners: typeof damages =
      process.getuid?.() === 0 ? [['a socket of another owner', other, 'owner of ports/']] : [];
    test.each([...damages, ...owners])('%s', async (_, damage, message) => {
      const config = node.config(pod, { ips: ['10.1.2.3/24'] });
      const added = await node.cni('ADD', pod, config);
      expect((await node.cni('CHECK', pod, { ...config, prevResult: added.json })).code).toBe(0);
      await damage(config);
      const checked = await node.cni('CHECK', pod, { ...config, prevResult: added.json });
      expect(checked.code).toBe(1);
      expect(checked.json.msg).toContain(message);
      expect((await node.cni('DEL', pod, config)).code).toBe(0);
      expect(await node.traces()).toEqual([]);
    });

    test('an attachment that never was', async () => {
      const prevResult = { cniVersion: '1.1.0', interfaces: [], ips: [] };
      const checked = await node.cni('CHECK', pod, node.config(pod, { prevResult }));
      expect(checked.json.msg).toContain('USV_CHECK');
    });
  });
});
