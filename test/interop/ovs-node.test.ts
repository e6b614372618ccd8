// SPDX-License-Identifier: Apache-2.0
//
// The agent of a node on the real Open vSwitch: a hostile pod, an Open vSwitch or an agent that is away, and what is left
// afterwards: nothing of ours, everything of others.

import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { OvsSwitch } from '../../agent/ovs/ovs-switch.ts';
import { checkSwitch } from '../../cli/doctor/node-links.ts';
import type { TestNode } from '../contract/cni/node.ts';
import { eventually } from '../support/eventually.ts';
import { needs } from '../support/need.ts';
import type { RunningOvs } from '../support/ovs.ts';
import { ourMac } from './echo.ts';
import { OvsStory, patience, portOf } from './ovs-story.ts';

const test = needs('ovs-vswitchd-dpdk', 'unshare', 'nsenter', 'ip', 'host-local');
const timeout = 180_000;
let story: OvsStory;
let node: TestNode;
let ovs: RunningOvs;

beforeEach(async () => {
  story = await OvsStory.start();
  ({ node, ovs } = story);
}, timeout);

afterEach(() => story.close(), timeout);

test(
  'a pod that puts a link in the place of its socket leads Open vSwitch nowhere',
  async () => {
    await story.startAgent();
    const trap = createServer((socket) => socket.destroy());
    let caught = 0;
    trap.on('connection', () => caught++);
    trap.listen(join(node.root, 'trap.sock'));
    await once(trap, 'listening');
    story.undo.push(() => void trap.close());
    const lure = ['ln', '-s', join(node.root, 'trap.sock')] as const;

    const pod = await story.added();
    await node.run(...lure, join(story.placeOf(pod), 'vhost.sock'));
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
    story.undo.push(() => careless.close());
    await careless.addPort({ name: 'careless', network: 'net', mac: ourMac, mtu: 1500, podRole: 'server' });
    await eventually(
      () => caught,
      (count) => count > 0,
      'a connection to the trap',
      patience,
    );
    await story.deleted(pod);
    expect(await node.traces()).toEqual([]);
  },
  timeout,
);

test(
  'while Open vSwitch is away an ADD is told to come again, a DEL is done, and its port goes later',
  async () => {
    await story.startAgent();
    const pod = await story.added();
    await ovs.killVswitchd();
    await ovs.killServer();
    const other = await node.pod();
    const refused = await node.cni('ADD', other, story.network(other));
    expect(refused).toMatchObject({ code: 1, json: { code: 11 } });
    expect(refused.json.msg).toBe(
      `USV_SWITCH_UNREACHABLE: ovsdb-server does not answer at ${ovs.database}: ECONNREFUSED`,
    );
    await story.deleted(pod);
    expect(await node.traces()).toEqual([]);
    await ovs.startServer();
    expect(await ovs.ports()).toEqual([portOf(pod)]);
    const early = await node.cni('ADD', other, story.network(other));
    expect(early).toMatchObject({ code: 1, json: { code: 11 } });
    expect(early.json.msg).toContain('ovs-vswitchd does not run');
    expect((await checkSwitch(story.paths)).finding).toMatchObject({
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
    await story.startAgent();
    const [pod, other] = [await story.added(), await story.added()];
    await node.stopAgent();
    await story.deleted(pod);
    const places = (): Promise<string> => node.run('cat', '/proc/self/mountinfo');
    expect(await places()).not.toContain(`pods/${pod.device}`);
    expect(await ovs.ports()).toContain(portOf(pod));
    await story.startAgent(1);
    await eventually(
      () => ovs.ports(),
      (ports) => !ports.includes(portOf(pod)),
      'the port gone',
      patience,
    );
    // What the agent is at work on meanwhile waits for the hands after these.
    const traces = async (): Promise<string[]> => {
      await story.deleted(other);
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
      socketPath: (port) => story.paths.portSocket(port),
    });
    story.undo.push(() => client.close());
    await client.addPort({ name: others, network: 'net', mac: ourMac, mtu: 1500, podRole: 'server' });
    await ovs.ctl('add-port', 'br-usvhost', 'uplink', '--', 'set', 'interface', 'uplink', 'type=internal');
    const first = await story.spawnAgent();
    const [gone, lives] = [await story.added(), await story.added()];
    const ended = once(first, 'exit');
    first.kill('SIGKILL');
    await ended;
    // A lost state, and a pod that went meanwhile.
    const paths = story.paths;
    rmSync(paths.stateDir, { recursive: true });
    await node.run('umount', paths.podPort(gone.device, 'net1'));
    await story.spawnAgent(1);
    await eventually(
      () => ovs.ports(),
      (ports) => !ports.includes(portOf(gone)),
      'the port gone',
      patience,
    );
    expect(await ovs.ports()).toEqual([portOf(lives), others, 'uplink'].toSorted());
    const unknown = await node.pod();
    const leftMounts = async (): Promise<string> => {
      await story.deleted(unknown);
      return node.run('cat', '/proc/self/mountinfo');
    };
    const options = { ...patience, stepMillis: 200 };
    const left = await eventually(leftMounts, (table) => !table.includes(portOf(gone)), 'no mount', options);
    expect(left).toContain(portOf(lives));
    expect(readdirSync(paths.portsDir)).toEqual([portOf(lives)]);
  },
  timeout,
);
