// SPDX-License-Identifier: Apache-2.0
//
// A node on the real Open vSwitch, from the CNI call to frames in pods: our driver with our driver and with testpmd, VLANs and
// limits, each part killed in the middle and back, a hostile pod, and what is left afterwards: nothing.

import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { OvsSwitch } from '../../agent/ovs/ovs-switch.ts';
import { checkSwitch } from '../../cli/doctor/node-links.ts';
import { look } from '../../cli/ports/look.ts';
import { portLines } from '../../cli/ports/port-line.ts';
import { attachmentPort } from '../../cni/attachment.ts';
import { hostPaths } from '../../lib/names.ts';
import { type Pod, type ShimRun, TestNode } from '../contract/cni/node.ts';
import { eventually } from '../support/eventually.ts';
import { needs } from '../support/need.ts';
import { RunningOvs } from '../support/ovs.ts';
import { RunningDriver } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { exchange, ourMac, peerMac, verifyingDriver } from './echo.ts';

const test = needs('ovs-vswitchd-dpdk', 'dpdk-testpmd', 'unshare', 'nsenter', 'ip', 'host-local');
const timeout = 180_000;
/** More than the pause after which Open vSwitch tries to connect again. */
const patience = { millis: 60_000, stepMillis: 20 } as const;
const undo: (() => void | Promise<void>)[] = [];
let node: TestNode;
let ovs: RunningOvs;

beforeEach(async () => {
  node = await TestNode.start({ agent: false });
  undo.push(() => node.close());
  const directory = join(node.root, 'ovs');
  mkdirSync(directory);
  ovs = await RunningOvs.start(directory, { enter: node.enterCommand });
  undo.push(() => ovs.close());
}, timeout);

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
}, timeout);

const config = (): object => ({ switch: 'ovs', ovs: { database: ovs.database, createBridge: true } });

/** Starts the agent; its ADDs work when it has returned. */
async function startAgent(reconcileSeconds = 60): Promise<void> {
  await node.startAgent({ reconcileSeconds, config: config() });
}

const network = (pod: Pod, more: object = {}): Record<string, unknown> =>
  node.config(pod, { endpoint: 'socket', ...more });

const portOf = ({ containerId }: Pod): string => attachmentPort({ containerId, ifname: 'net1' });

/** The socket of a pod's port, by the pod's own directory. */
const socketOf = (pod: Pod): string =>
  node.seen(join(hostPaths(node.root).podPort(pod.device, 'net1'), 'vhost.sock'));

async function added(more: object = {}): Promise<Pod> {
  const pod = await node.pod();
  const run = await node.cni('ADD', pod, network(pod, more));
  expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('socketPath') });
  return pod;
}

async function deleted(pod: Pod, more: object = {}): Promise<void> {
  expect(await node.cni('DEL', pod, network(pod, more))).toMatchObject({ code: 0, stdout: '' });
}

async function checked(pod: Pod, result: ShimRun['json'], more: object = {}): Promise<void> {
  const run = await node.cni('CHECK', pod, network(pod, { ...more, prevResult: result }));
  expect(run).toMatchObject({ code: 0, stdout: '' });
}

/** Sends frames to the other pods and compares what comes back. */
function sender(pod: Pod): RunningDriver {
  const driver = verifyingDriver({ path: socketOf(pod), queueSize: 256, size: 512, server: true });
  undo.push(() => driver.close());
  return driver;
}

function driverOf(pod: Pod, engine: ConstructorParameters<typeof RunningDriver>[0]['engine']): RunningDriver {
  const driver = new RunningDriver({ path: socketOf(pod), server: true, queueSize: 256, engine });
  undo.push(() => driver.close());
  return driver;
}

const echoing = (pod: Pod): RunningDriver => driverOf(pod, { kind: 'l2fwd', mode: 'swap' });

const listening = (pod: Pod): RunningDriver =>
  driverOf(pod, {
    ...{ kind: 'rxonly', size: 512, limit: 0, verify: false, running: true },
    ...{ sourceMac: peerMac, destinationMac: ourMac },
  });

async function linksUp(...drivers: readonly RunningDriver[]): Promise<void> {
  for (const driver of drivers) await driver.linkUp();
}

test(
  'two pods with our driver, and one with testpmd, reach each other; DEL leaves nothing',
  async () => {
    await startAgent();
    const first = await node.pod();
    const ipam = { ipam: node.hostLocal() };
    const made = await node.cni('ADD', first, network(first, ipam));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const second = await added();
    const [ours, theirs] = [sender(first), echoing(second)];
    await linksUp(ours, theirs);
    await exchange(ours, 5000);
    expect(ours.metric('corrupted')).toBe(0);
    await checked(first, made.json, ipam);
    // port.json lies where the runtime sees it, and not we.
    const seen = await look(hostPaths(node.root));
    expect(seen.what).toMatch(/^Open vSwitch .*with DPDK .*, bridge br-usvhost$/);
    const lines = portLines(seen, seen);
    expect(lines.map(({ port, state, peer }) => ({ port, state, peer }))).toEqual(
      [portOf(first), portOf(second)].toSorted().map((port) => ({ port, state: 'up', peer: true })),
    );
    expect(lines[0]?.features).toContain('VERSION_1');
    expect((await checkSwitch(hostPaths(node.root))).finding).toMatchObject({
      state: 'ok',
      says: `${seen.what} answers, 2 ports`,
    });
    theirs.close();
    await deleted(second);

    const third = await added();
    const testpmd = await Testpmd.start({
      ports: [
        {
          ...{ kind: 'virtio-user', path: socketOf(third), mac: peerMac, queueSize: 256 },
          devargs: ['server=1'],
        },
      ],
      forward: 'macswap',
    });
    undo.push(() => testpmd.stop());
    await testpmd.startForwarding();
    await exchange(ours, 5000);
    expect(ours.metric('corrupted')).toBe(0);
    expect(await ovs.ports()).toEqual([portOf(first), portOf(third)].toSorted());

    await deleted(third);
    await deleted(first, ipam);
    expect(await ovs.ports()).toEqual([]);
    expect(await node.traces()).toEqual([]);
  },
  timeout,
);

test(
  'frames stay in their VLAN; a limit towards a pod is kept',
  async () => {
    await startAgent();
    const rate = 4_000_000; // bits a second
    const burst = 400_000;
    const limited = { runtimeConfig: { bandwidth: { ingressRate: rate, ingressBurst: burst } } };
    const [five, alsoFive, six] = [
      await added({ vlan: 5 }),
      await added({ vlan: 5 }),
      await added({ vlan: 6 }),
    ];
    const slow = await added({ ...limited, vlan: 5 });
    const [ours, echo, stranger, meter] = [sender(five), echoing(alsoFive), listening(six), listening(slow)];
    const document = await node.run(
      'cat',
      join(hostPaths(node.root).podPort(six.device, 'net1'), 'port.json'),
    );
    expect(JSON.parse(document)).toMatchObject({ vlan: 6, podRole: 'server' });
    await linksUp(ours, echo, stranger, meter);
    await exchange(ours, 2000);
    expect(ours.metric('corrupted')).toBe(0);
    // The first frames went to everybody, for nobody had been heard.
    expect(stranger.metric('received') + stranger.metric('foreign')).toBe(0);
    expect(stranger.counters['rx_packets'] ?? 0).toBe(0);

    // Nobody answers any more, so everything goes to everybody.
    echo.close();
    await deleted(alsoFive, { vlan: 5 });
    const heard = (): number => meter.metric('received') + meter.metric('foreign');
    const [before, began] = [heard(), performance.now()];
    ours.setRunning(true);
    await wait(1500);
    ours.setRunning(false);
    const bits = (heard() - before) * 512 * 8;
    const allowed = burst + (rate * (performance.now() - began)) / 1000;
    expect(bits).toBeLessThan(1.1 * allowed);
    expect(bits).toBeGreaterThan(0.3 * allowed);
  },
  timeout,
);

test(
  'ovs-vswitchd, the whole of Open vSwitch and the agent are killed and come back',
  async () => {
    const agent = await node.spawnAgent('Infinity', '60', JSON.stringify(config()));
    undo.push(() => void agent.kill('SIGKILL'));
    const [first, second] = [await added(), await added()];
    const [ours, theirs] = [sender(first), echoing(second)];
    await linksUp(ours, theirs);
    await exchange(ours, 1000);

    await ovs.killVswitchd();
    await ours.linkDown();
    await ovs.startVswitchd();
    await linksUp(ours, theirs);
    await exchange(ours, 1000);

    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
    await exchange(ours, 1000);
    await startAgent();

    // Also with an empty database the ports come back.
    await ovs.killVswitchd();
    await ovs.killServer();
    ovs.forgetDatabase();
    await ours.linkDown();
    await ovs.startServer();
    await ovs.startVswitchd();
    await linksUp(ours, theirs);
    await exchange(ours, 1000);

    // And one that somebody has taken away.
    await ovs.ctl('del-port', portOf(first));
    await eventually(
      () => ovs.ports(),
      (ports) => ports.includes(portOf(first)),
      'the port again',
      patience,
    );
    await ours.linkUp();
    await exchange(ours, 1000);
    expect(ours.metric('corrupted')).toBe(0);
    await deleted(first);
    await deleted(second);
    expect(await node.traces()).toEqual([]);
  },
  timeout,
);

test(
  'a pod that puts a link in the place of its socket leads Open vSwitch nowhere',
  async () => {
    await startAgent();
    const trap = createServer((socket) => socket.destroy());
    let caught = 0;
    trap.on('connection', () => caught++);
    trap.listen(join(node.root, 'trap.sock'));
    await once(trap, 'listening');
    undo.push(() => void trap.close());
    const lure = ['ln', '-s', join(node.root, 'trap.sock')] as const;

    const pod = await added();
    await node.run(...lure, join(hostPaths(node.root).podPort(pod.device, 'net1'), 'vhost.sock'));
    const refusals = (): number => ovs.log().split(`${portOf(pod)}/vhost.sock) failed to connect`).length - 1;
    const before = refusals();
    await ovs.killVswitchd();
    await ovs.startVswitchd();
    await eventually(refusals, (count) => count > before, 'a refused connection', patience);
    expect(ovs.log()).toContain('Too many levels of symbolic links');
    expect(caught).toBe(0);

    // In a directory like any other it goes where the link leads.
    const plain = join(node.root, 'plain');
    mkdirSync(plain);
    await node.run(...lure, join(plain, 'vhost.sock'));
    const careless = new OvsSwitch({
      ...{ database: ovs.database, bridge: 'br-usvhost', createBridge: false, owner: 'test' },
      socketPath: () => join(plain, 'vhost.sock'),
    });
    undo.push(() => careless.close());
    await careless.addPort({ name: 'careless', mac: ourMac, mtu: 1500, podRole: 'server' });
    await eventually(
      () => caught,
      (count) => count > 0,
      'a connection to the trap',
      patience,
    );
    await deleted(pod);
    expect(await node.traces()).toEqual([]);
  },
  timeout,
);

test(
  'while Open vSwitch is away an ADD is told to come again, a DEL is done, and its port goes later',
  async () => {
    await startAgent();
    const pod = await added();
    await ovs.killVswitchd();
    await ovs.killServer();
    const other = await node.pod();
    const refused = await node.cni('ADD', other, network(other));
    expect(refused).toMatchObject({ code: 1, json: { code: 11 } });
    expect(refused.json.msg).toBe(
      `USV_SWITCH_UNREACHABLE: ovsdb-server does not answer at ${ovs.database}: ECONNREFUSED`,
    );
    await deleted(pod);
    expect(await node.traces()).toEqual([]);
    await ovs.startServer();
    expect(await ovs.ports()).toEqual([portOf(pod)]);
    const early = await node.cni('ADD', other, network(other));
    expect(early).toMatchObject({ code: 1, json: { code: 11 } });
    expect(early.json.msg).toContain('ovs-vswitchd does not run');
    expect((await checkSwitch(hostPaths(node.root))).finding).toMatchObject({
      state: 'wrong',
      says: `ovs-vswitchd does not run on the database at ${ovs.database}`,
    });
    await ovs.startVswitchd();
    await eventually(
      () => ovs.ports(),
      (ports) => ports.length === 0,
      'no port',
      patience,
    );
  },
  timeout,
);

test(
  'a DEL without an agent unmounts what the pod has; the next agent takes the rest with the next hands',
  async () => {
    await startAgent();
    const [pod, other] = [await added(), await added()];
    await node.stopAgent();
    await deleted(pod);
    const places = (): Promise<string> => node.run('cat', '/proc/self/mountinfo');
    expect(await places()).not.toContain(`pods/${pod.device}`);
    expect(await ovs.ports()).toContain(portOf(pod));
    await startAgent(1);
    await eventually(
      () => ovs.ports(),
      (ports) => !ports.includes(portOf(pod)),
      'the port gone',
      patience,
    );
    // What the agent is at work on meanwhile waits for the hands after these.
    const traces = async (): Promise<string[]> => {
      await deleted(other);
      return node.traces();
    };
    await eventually(traces, (left) => left.length === 0, 'no trace', { ...patience, stepMillis: 200 });
    expect(node.tombstones()).toEqual([]);
  },
  timeout,
);

test(
  'the reconciler takes ports with our mark that nobody has, and no others; a shim takes their directories',
  async () => {
    const others = 'p0123456789abce';
    const client = new OvsSwitch({
      ...{ database: ovs.database, bridge: 'br-usvhost', createBridge: false, owner: '/' },
      socketPath: (port) => hostPaths(node.root).portSocket(port),
    });
    undo.push(() => client.close());
    await client.addPort({ name: others, mac: ourMac, mtu: 1500, podRole: 'server' });
    await ovs.ctl('add-port', 'br-usvhost', 'uplink', '--', 'set', 'interface', 'uplink', 'type=internal');
    // As processes of their own, which see the mounts of the shim.
    const first = await node.spawnAgent('Infinity', '60', JSON.stringify(config()));
    undo.push(() => void first.kill('SIGKILL'));
    const [gone, lives] = [await added(), await added()];
    const ended = once(first, 'exit');
    first.kill('SIGKILL');
    await ended;
    // A lost state, and a pod that went meanwhile.
    const paths = hostPaths(node.root);
    rmSync(paths.stateDir, { recursive: true });
    await node.run('umount', paths.podPort(gone.device, 'net1'));
    const second = await node.spawnAgent('Infinity', '1', JSON.stringify(config()));
    undo.push(() => void second.kill('SIGKILL'));
    await eventually(
      () => ovs.ports(),
      (ports) => !ports.includes(portOf(gone)),
      'the port gone',
      patience,
    );
    expect(await ovs.ports()).toEqual([portOf(lives), others, 'uplink'].toSorted());
    const unknown = await node.pod();
    const leftMounts = async (): Promise<string> => {
      await deleted(unknown);
      return node.run('cat', '/proc/self/mountinfo');
    };
    const options = { ...patience, stepMillis: 200 };
    const left = await eventually(leftMounts, (table) => !table.includes(portOf(gone)), 'no mount', options);
    expect(left).toContain(portOf(lives));
    expect(readdirSync(paths.portsDir)).toEqual([portOf(lives)]);
  },
  timeout,
);
