// SPDX-License-Identifier: Apache-2.0
//
// The agent's client of Open vSwitch against the real ovsdb-server and ovs-vswitchd: ports are made, kept apart from those
// of others, and taken away; whichever of the two programs is away, that is what is said.

import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { OvsSwitch, type OvsSwitchOptions } from '../../agent/ovs/ovs-switch.ts';
import type { WantedPort } from '../../cni/call.ts';
import { needs } from '../support/need.ts';
import { RunningOvs } from '../support/ovs.ts';
import { type PrivateDirectory, privateDirectory } from '../support/private-directory.ts';

const test = needs('ovs-vswitchd-dpdk', 'unshare');
const timeout = 120_000;
let directory: PrivateDirectory;
let ovs: RunningOvs;
let ours: OvsSwitch;
const undo: (() => void | Promise<void>)[] = [];

const wanted: WantedPort = {
  name: 'p1',
  network: 'net',
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  podRole: 'server',
};
const socketPath = (port: string): string => join(directory.path, `${port}.sock`);

function client(more: Partial<OvsSwitchOptions> = {}): OvsSwitch {
  const made = new OvsSwitch({
    ...{ database: ovs.database, bridge: 'br-usvhost', createBridge: false, owner: '/a', socketPath },
    ...more,
  });
  undo.push(() => made.close());
  return made;
}

beforeEach(() => {
  directory = privateDirectory();
  undo.push(() => directory.remove());
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
}, timeout);

async function start(): Promise<void> {
  ovs = await RunningOvs.start(directory.path);
  undo.push(() => ovs.close());
  ours = client();
}

test(
  'a port is made when ADD returns, is the same the second time, and goes with its rows',
  async () => {
    await start();
    const limits = {
      ingressRate: 8_000_000,
      ingressBurst: 800_000,
      egressRate: 4_000_000,
      egressBurst: 400_000,
    };
    const port: WantedPort = {
      ...wanted,
      mtu: 2000,
      options: { vlan: 5, bandwidth: limits },
      holder: { containerId: 'c1', ifname: 'net1', podNamespace: 'ns', podName: 'pod', podUid: 'u' },
    };
    await ours.addPort(port);
    expect(await ovs.ports()).toEqual(['p1']);
    const columns = ['type', 'options', 'mtu_request', 'ingress_policing_rate', 'ingress_policing_burst'];
    expect((await ovs.ctl('get', 'interface', 'p1', ...columns)).split('\n')).toEqual([
      'dpdkvhostuserclient',
      `{vhost-server-path="${socketPath('p1')}"}`,
      ...['2000', '4000', '400'],
    ]);
    expect(await ovs.ctl('get', 'port', 'p1', 'tag', 'vlan_mode')).toBe('5\naccess');
    expect(await ovs.ctl('get', 'port', 'p1', 'external_ids:usvhost-pod-name')).toBe('pod');
    expect(await ovs.ctl('get', 'port', 'p1', 'external_ids:usvhost-network')).toBe('net');
    expect(await ovs.ctl('--columns=other_config,type', '--format=csv', '--no-headings', 'list', 'qos')).toBe(
      '"{cbs=""100000"", cir=""1000000""}",egress-policer',
    );
    expect(await ours.findPort('p1')).toEqual({
      ...{ mac: port.mac, mtu: 2000, podRole: 'server', state: 'connecting', features: 0n },
      ...{ connections: 0, lastError: '', vlan: 5 },
    });
    await ours.addPort(port);
    await expect(ours.addPort({ ...port, mtu: 1500 })).rejects.toMatchObject({ code: 'USV_PORT_OCCUPIED' });
    expect(await ours.portNames()).toEqual(['p1']);
    expect([...(await ours.counters()).keys()]).toEqual(['p1']);
    expect(await ours.removePort('p1')).toBe(true);
    expect(await ours.removePort('p1')).toBe(false);
    expect(await ovs.ports()).toEqual([]);
    for (const table of ['qos', 'interface']) {
      const left = await ovs.ctl('--columns=_uuid', '--no-headings', 'list', table);
      expect(left.split('\n').filter(Boolean)).toHaveLength(table === 'qos' ? 0 : 1);
    }
    await ours.addPort({ ...wanted, options: { trunk: [5, 10, 11] } });
    expect(await ovs.ctl('get', 'port', 'p1', 'trunks', 'vlan_mode')).toBe('[5, 10, 11]\ntrunk');
  },
  timeout,
);

test(
  'ports of others are not ours: not listed, not taken, not removed',
  async () => {
    await start();
    await ovs.ctl('add-port', 'br-usvhost', 'p1', '--', 'set', 'interface', 'p1', 'type=internal');
    await client({ owner: '/b' }).addPort({ ...wanted, name: 'p2' });
    for (const name of ['p1', 'p2']) {
      await expect(ours.addPort({ ...wanted, name })).rejects.toMatchObject({
        code: 'USV_PORT_OCCUPIED',
        details: expect.stringContaining('a port of somebody else'),
      });
      expect(await ours.removePort(name)).toBe(false);
      expect(await ours.findPort(name)).toBeUndefined();
    }
    expect(await ours.portNames()).toEqual([]);
    expect(await ours.counters()).toEqual(new Map());
    expect(await ovs.ports()).toEqual(['p1', 'p2']);
  },
  timeout,
);

test(
  'a bridge that is missing or of the kernel is said by name, and made only where that is wanted',
  async () => {
    await start();
    await expect(client({ bridge: 'br-no' }).addPort(wanted)).rejects.toMatchObject({
      code: 'USV_OVS',
      details: expect.stringMatching(/^there is no bridge br-no: ovs-vsctl add-br br-no /),
    });
    await ovs.ctl(
      '--no-wait',
      'add-br',
      'br-kernel',
      '--',
      'set',
      'bridge',
      'br-kernel',
      'datapath_type=system',
    );
    await expect(client({ bridge: 'br-kernel' }).ping()).rejects.toMatchObject({
      details:
        'expected netdev, the datapath in user space for datapath_type of the bridge br-kernel, got system',
    });
    await ovs.ctl('--no-wait', 'del-br', 'br-kernel');
    const making = client({ bridge: 'br-made', createBridge: true });
    await making.ping();
    // Both find no bridge.
    await Promise.all([making.addPort(wanted), making.addPort({ ...wanted, name: 'p2' })]);
    expect((await ovs.ports('br-made')).toSorted()).toEqual(['p1', 'p2']);
    expect(await ovs.ctl('get', 'bridge', 'br-made', 'datapath_type')).toBe('netdev');
    await Promise.all([making.removePort('p1'), making.removePort('p2')]);
    expect((await ovs.ctl('list-br')).split('\n')).toEqual(['br-made', 'br-usvhost']);
  },
  timeout,
);

test(
  'what ovs-vswitchd does not make is an error',
  async () => {
    await start();
    // The name that every datapath in user space has inside.
    await expect(ours.addPort({ ...wanted, name: 'ovs-netdev' })).rejects.toMatchObject({
      code: 'USV_OVS',
      details: 'ovs-vswitchd cannot make the port ovs-netdev: ovs-vswitchd gives no reason; its log may',
    });
  },
  timeout,
);

test(
  'without ovs-vswitchd there is no ADD but a DEL; without ovsdb-server there is neither; the watch tells both',
  async () => {
    await start();
    await ours.addPort(wanted);
    const seen: string[] = [];
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        const say = (text: string): void => {
          seen.push(text);
          resolve();
        };
        ours.watch({
          present: (ports) => say([...ports.keys()].join()),
          changed: () => undefined,
          lost: (reason) => say(reason instanceof Error ? reason.message.replace(directory.path, '') : ''),
        });
      });
    await next();
    const lost = new Promise<void>((resolve) => {
      ours.watch({ present: () => undefined, changed: () => undefined, lost: () => resolve() });
    });
    await ovs.killVswitchd();
    await lost;
    await expect(ours.addPort({ ...wanted, name: 'p2' })).rejects.toMatchObject({
      code: 'USV_SWITCH_UNREACHABLE',
      details: `ovs-vswitchd does not run on the database at ${ovs.database}`,
    });
    expect(await ours.removePort('p1')).toBe(true);
    await ovs.startVswitchd();
    await ours.addPort(wanted);
    await ovs.killServer();
    await expect(ours.removePort('p1')).rejects.toMatchObject({ code: 'USV_SWITCH_UNREACHABLE' });
    await ovs.startServer();
    await ovs.settled();
    await ours.addPort(wanted);
    expect(seen[0]).toBe('p1');
  },
  timeout,
);

test(
  'an ovs-vswitchd that hangs fails the ADD after its deadline',
  async () => {
    await start();
    ovs.freezeVswitchd(true);
    await expect(client({ configMillis: 200 }).addPort(wanted)).rejects.toMatchObject({
      code: 'USV_SWITCH_UNREACHABLE',
      details: 'ovs-vswitchd has not taken over the change within 200 ms',
    });
    ovs.freezeVswitchd(false);
    await ours.addPort(wanted);
  },
  timeout,
);

test(
  'an Open vSwitch without DPDK is said to be one',
  async () => {
    ovs = new RunningOvs(directory.path);
    undo.push(() => ovs.close());
    await ovs.startServer();
    await ovs.configure('false');
    await ovs.startVswitchd();
    await expect(client().ping()).rejects.toMatchObject({
      code: 'USV_OVS',
      details: `expected true, and DPDK to start for other_config:dpdk-init of Open vSwitch at ${ovs.database}, got no DPDK`,
    });
  },
  timeout,
);
