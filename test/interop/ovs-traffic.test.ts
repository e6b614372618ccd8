// SPDX-License-Identifier: Apache-2.0
//
// Frames between pods on the real Open vSwitch: our driver with our driver and with testpmd, VLANs and limits, and each part
// killed in the middle and back.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { nodeSwitchOf } from '../../agent/node-switch-of.ts';
import { checkSwitch } from '../../cli/doctor/node-links.ts';
import { look } from '../../cli/ports/look.ts';
import { portLines } from '../../cli/ports/port-line.ts';
import type { Pod, TestNode } from '../contract/cni/node.ts';
import { eventually } from '../support/eventually.ts';
import { needs } from '../support/need.ts';
import type { RunningOvs } from '../support/ovs.ts';
import type { RunningDriver } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { exchange, ourMac, peerMac, tallyOf } from './echo.ts';
import { printedRows } from './ledger.ts';
import { linksUp, OvsStory, patience, portOf } from './ovs-story.ts';

const test = needs('ovs-vswitchd-dpdk', 'dpdk-testpmd', 'unshare', 'nsenter', 'ip', 'ping', 'host-local');
const row = printedRows();
const timeout = 180_000;
const cli = fileURLToPath(new URL('../../cli/usvhost.ts', import.meta.url));
let story: OvsStory;
let node: TestNode;
let ovs: RunningOvs;

beforeEach(async () => {
  story = await OvsStory.start();
  ({ node, ovs } = story);
}, timeout);

afterEach(() => story.close(), timeout);

test(
  'two pods with our driver, and one with testpmd, reach each other; DEL leaves nothing',
  async () => {
    await story.startAgent();
    const first = await node.pod();
    const ipam = { ipam: node.hostLocal() };
    const made = await node.cni('ADD', first, story.network(first, ipam));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const second = await story.added();
    const [ours, theirs] = [story.sender(first), story.echoing(second)];
    await linksUp(ours, theirs);
    await echoed('our driver to our driver', ours, 5000);
    const check = story.network(first, { ...ipam, prevResult: made.json });
    expect(await node.cni('CHECK', first, check)).toMatchObject({ code: 0, stdout: '' });
    // port.json lies where the runtime sees it, and not we.
    const seen = await look(story.paths);
    expect(seen.what).toMatch(/^Open vSwitch .*with DPDK .*, bridge br-usvhost$/);
    const lines = portLines(seen, seen);
    expect(lines.map(({ port, state, peer }) => ({ port, state, peer }))).toEqual(
      [portOf(first), portOf(second)].toSorted().map((port) => ({ port, state: 'up', peer: true })),
    );
    expect(lines[0]?.features).toContain('VERSION_1');
    const asAgent = nodeSwitchOf({
      root: node.root,
      switch: 'ovs',
      ovs: { database: ovs.database, bridge: 'br-usvhost', createBridge: false },
    });
    story.undo.push(() => asAgent.close());
    const sent = (counters: Readonly<Record<string, string>> | undefined): boolean =>
      Number(counters?.['tx_packets']) >= 5000;
    const counters = await eventually(
      () => asAgent.counters(),
      (ports) => sent(ports.get(portOf(first))),
      'what the pod has sent, as Open vSwitch counts it',
      { millis: 30_000, stepMillis: 500 },
    );
    expect(sent(counters.get(portOf(second)))).toBe(true);
    expect((await checkSwitch(story.paths)).finding).toMatchObject({
      state: 'ok',
      says: `${seen.what} answers, 2 ports`,
    });
    theirs.close();
    const answering = story.driver(second, { kind: 'responder', mac: peerMac, ip: '10.1.0.2' });
    await answering.linkUp();
    ours.close();
    const addresses = { mac: ourMac, source: '10.1.0.1', destination: '10.1.0.2' };
    const times = { count: 10, intervalMillis: 10, timeoutMillis: 5000 };
    const pinging = story.driver(first, { kind: 'ping', ...addresses, ...times });
    await eventually(
      () => pinging.metric('received'),
      (count) => count === 10,
      '10 answers',
      patience,
    );
    pinging.close();
    answering.close();
    await story.deleted(second);

    const third = await story.added();
    const testpmd = await Testpmd.start({
      ports: [
        {
          ...{ kind: 'virtio-user', path: story.socketOf(third), mac: peerMac, queueSize: 256 },
          devargs: ['server=1'],
        },
      ],
      forward: 'macswap',
    });
    story.undo.push(() => testpmd.stop());
    await testpmd.startForwarding();
    const again = story.sender(first);
    await again.linkUp();
    await echoed('our driver to testpmd', again, 5000);
    expect(await ovs.ports()).toEqual([portOf(first), portOf(third)].toSorted());

    await story.deleted(third);
    await story.deleted(first, ipam);
    expect(await ovs.ports()).toEqual([]);
    expect(await node.traces()).toEqual([]);
  },
  timeout,
);

test(
  'two pods with an interface each and `usvhost dataplane` ping each other',
  async () => {
    await story.startAgent();
    const pods: Pod[] = [];
    for (const address of ['10.2.0.1/24', '10.2.0.2/24']) {
      const pod = await story.added({ endpoint: 'tap', ips: [address] });
      pods.push(pod);
      const port = `net_virtio_user0,path=${story.placeOf(pod)}`;
      const command = [process.execPath, cli, 'dataplane', '--port', port];
      const [program = '', ...rest] = [...node.enterCommand, 'nsenter', `--net=${pod.netns}`, ...command];
      const dataplane = spawn(program, rest, { stdio: 'ignore' });
      story.undo.push(async () => {
        const ended = once(dataplane, 'exit');
        if (dataplane.kill('SIGKILL')) await ended;
      });
    }
    const ping = ['ping', '-c', '5', '-i', '0.2', '-w', '60', '10.2.0.2'] as const;
    expect(await pods[0]?.run(...ping)).toMatch(/ [1-9]\d* received/);
    const found = await look(story.paths);
    expect(portLines(found).map(({ state }) => state)).toEqual(['up', 'up']);
  },
  timeout,
);

/** Frames there and back, as a row of the matrix. */
async function echoed(name: string, driver: RunningDriver, frames: number): Promise<void> {
  const account = await tallyOf(driver, 'ovs.not_returned', () => exchange(driver, frames));
  row(`Open vSwitch, ${name}`, account);
  expect(account.corrupted).toBe(0);
}

/** Sends until more than the burst has been heard, so that the rate counts, and looks that it was not more than allowed. */
async function keepsLimit(
  sender: RunningDriver,
  frames: () => number,
  { rate, burst }: { readonly rate: number; readonly burst: number },
): Promise<void> {
  const bits = (): number => frames() * 512 * 8;
  const began = performance.now();
  sender.setRunning(true);
  try {
    await eventually(bits, (count) => count > burst + rate / 2, 'frames beyond the burst', patience);
  } finally {
    sender.setRunning(false);
  }
  const passed = performance.now() - began;
  expect(bits()).toBeLessThan(1.1 * (burst + (rate * passed) / 1000));
}

test(
  'frames stay in their VLAN; a limit towards a pod is kept',
  async () => {
    await story.startAgent();
    const rate = 4_000_000; // bits a second
    const burst = 400_000;
    const limited = { runtimeConfig: { bandwidth: { ingressRate: rate, ingressBurst: burst } } };
    const [five, alsoFive, six] = [
      await story.added({ vlan: 5 }),
      await story.added({ vlan: 5 }),
      await story.added({ vlan: 6 }),
    ];
    const slow = await story.added({ ...limited, vlan: 5 });
    const [ours, echo, stranger, meter] = [
      story.sender(five),
      story.echoing(alsoFive),
      story.listening(six),
      story.listening(slow),
    ];
    const document = await node.run('cat', join(story.placeOf(six), 'port.json'));
    expect(JSON.parse(document)).toMatchObject({ vlan: 6, podRole: 'server' });
    await linksUp(ours, echo, stranger, meter);
    await echoed('within a VLAN', ours, 2000);
    // The first frames went to everybody, for nobody had been heard.
    expect(stranger.metric('received') + stranger.metric('foreign')).toBe(0);
    expect(stranger.counters['rx_packets'] ?? 0).toBe(0);

    // Nobody answers any more, so everything goes to everybody.
    echo.close();
    await story.deleted(alsoFive, { vlan: 5 });
    const heard = (): number => meter.metric('received') + meter.metric('foreign');
    const before = heard();
    await keepsLimit(ours, () => heard() - before, { rate, burst });
  },
  timeout,
);

test(
  'a trunk has its VLANs with tags; a limit from a pod is kept; a pod that connects is refused',
  async () => {
    await story.startAgent();
    const rate = 4_000_000;
    const burst = 400_000;
    const limited = { runtimeConfig: { bandwidth: { egressRate: rate, egressBurst: burst } } };
    const [slow, trunk, meter] = [
      await story.added({ ...limited, vlan: 5 }),
      await story.added({ trunk: [{ minID: 4, maxID: 5 }] }),
      await story.added({ vlan: 5 }),
    ];
    const otherTrunk = await story.added({ trunk: [{ id: 6 }] });
    const [ours, heard, tagged, stranger] = [
      story.sender(slow),
      story.listening(meter),
      story.listening(trunk),
      story.listening(otherTrunk),
    ];
    await linksUp(ours, heard, tagged, stranger);
    const framesOf = (driver: RunningDriver): number => driver.counters['rx_packets'] ?? 0;
    await keepsLimit(ours, () => framesOf(heard), { rate, burst });
    expect(framesOf(tagged)).toBeGreaterThan(0);
    // A tag has four bytes. Frames are still coming, and the two counters move one after the other.
    await eventually(
      () => tagged.counters,
      ({ rx_packets: frames = 0, rx_bytes: bytes }) => bytes === frames * 516,
      'frames of 516 bytes',
    );
    expect(framesOf(stranger)).toBe(0);

    const connects = await node.pod();
    const refused = await node.cni('ADD', connects, story.network(connects, { podRole: 'client' }));
    expect(refused).toMatchObject({ code: 1, json: { code: 2 } });
    expect(refused.json.msg).toContain('expected server for podRole with the switch ovs, got client');
  },
  timeout,
);

test(
  'ovs-vswitchd, the whole of Open vSwitch and the agent are killed and come back',
  async () => {
    const agent = await story.spawnAgent();
    const [first, second] = [await story.added(), await story.added()];
    const [ours, theirs] = [story.sender(first), story.echoing(second)];
    await linksUp(ours, theirs);
    await echoed('before anything is killed', ours, 1000);

    await ovs.killVswitchd();
    await ours.linkDown();
    await ovs.startVswitchd();
    await linksUp(ours, theirs);
    await echoed('ovs-vswitchd killed and back', ours, 1000);

    const ended = once(agent, 'exit');
    agent.kill('SIGKILL');
    await ended;
    await echoed('agent killed', ours, 1000);
    await story.startAgent();

    // Also with an empty database the ports come back.
    await ovs.killVswitchd();
    await ovs.killServer();
    ovs.forgetDatabase();
    await ours.linkDown();
    await ovs.startServer();
    await ovs.startVswitchd();
    await linksUp(ours, theirs);
    await echoed('with an empty database', ours, 1000);

    // And one that somebody has taken away.
    await ovs.ctl('del-port', portOf(first));
    await eventually(
      () => ovs.ports(),
      (ports) => ports.includes(portOf(first)),
      'the port again',
      patience,
    );
    await ours.linkUp();
    await echoed('port taken away and back', ours, 1000);
    expect(ours.metric('corrupted')).toBe(0);
    await story.deleted(first);
    await story.deleted(second);
    expect(await node.traces()).toEqual([]);
  },
  timeout,
);
