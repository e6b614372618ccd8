// SPDX-License-Identifier: Apache-2.0
//
// The demo itself, inside its walls: a node, two pods, ping, forwarding, and everything undone again. Reads as the story
// it tells; each step's undo stands beside it.

import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { usvFailure } from '../../lib/errors.ts';
import { type ForwardResult, forward, type Progress } from './forward.ts';
import { DemoNode, shimFile } from './node.ts';
import { type PingResult, pingByEngine, pingThroughTaps, requireAll } from './ping.ts';
import { chooseUid, Pod } from './pod.ts';
import { run } from './process.ts';

export interface DemoPort {
  readonly pod: string;
  /** Name on the switch. */
  readonly port: string;
  readonly mac: string;
  /** Negotiated virtio features, hexadecimal. */
  readonly features: string;
}

export interface DemoResult {
  readonly ping: PingResult;
  readonly pingBy: 'tap' | 'engine';
  readonly ports: readonly DemoPort[];
  readonly forward: readonly ForwardResult[];
}

export interface DemoOptions {
  readonly root: string;
  readonly seconds: number;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: Progress) => void;
}

const sizes = [64, 1500];

type Undo = () => Promise<void>;

/** @throws UsvhostError of whatever failed; everything is undone by then. */
export async function runDemo(options: DemoOptions, stop: AbortSignal): Promise<DemoResult> {
  const undo: Undo[] = [];
  const interrupted = new Promise<never>((_, reject) => {
    const end = (): void => reject(usvFailure('USV_USAGE', 'interrupted'));
    if (stop.aborted) end();
    stop.addEventListener('abort', end, { once: true });
  });
  try {
    return await Promise.race([story(options, undo), interrupted]);
  } finally {
    for (const step of undo.splice(0).reverse()) await step();
  }
}

async function story(options: DemoOptions, undo: Undo[]): Promise<DemoResult> {
  const { root, say } = options;
  if (!canExecute(shimFile)) throw usvFailure('USV_NATIVE_BUILD', `${shimFile} is not there`);
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=0755', 'usvhost-demo', root]);
  const realRoot = !isInUserNamespace();
  const tun = await findTun(root, realRoot);
  const endpoint = tun.reason === undefined ? 'tap' : 'socket';

  say(`node        switch, agent and a kubelet's device plugin API below ${root}`);
  const node = await DemoNode.start(root, tun.path);
  undo.push(() => node.close());

  const uid = chooseUid({ realRoot });
  const makePod = async (name: string, address: string): Promise<Pod> => {
    const pod = await Pod.create(node, { name, ifname: 'net1', address, endpoint }, uid);
    undo.push(() => pod.close());
    say(`${name}       Allocate, CNI ADD: net1 ${address} ${pod.mac}, port ${pod.port} on the switch`);
    return pod;
  };
  const first = await makePod('pod-a', '10.37.0.1/24');
  const second = await makePod('pod-b', '10.37.0.2/24');

  say(
    tun.reason === undefined
      ? `ping        pod-a → tap → dataplane (uid ${uid}) → switch → dataplane → tap → pod-b`
      : `ping        by our own ARP and ICMP, from engine to engine: ${tun.reason}`,
  );
  const ping = await (endpoint === 'tap'
    ? pingThroughTaps(node, first, second)
    : pingByEngine(first, second));
  requireAll(ping);
  say(`            ${ping.received} of ${ping.sent} answered, rtt p50 ${ping.rttUs.p50} µs`);

  const results: ForwardResult[] = [];
  for (const size of sizes) {
    say(`forward     ${size} B: txonly in pod-a → switch → l2fwd in pod-b → switch → counted in pod-a`);
    const { seconds, onProgress } = options;
    results.push(await forward(node, { source: first, echo: second }, { size, seconds, onProgress }));
  }
  return {
    ping,
    pingBy: endpoint === 'tap' ? 'tap' : 'engine',
    ports: [first, second].map((pod) => ({
      pod: pod.plan.name,
      port: pod.port,
      mac: pod.mac,
      features: `0x${node.features(pod.port).toString(16)}`,
    })),
    forward: results,
  };
}

function canExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    return false;
  }
}

/** In a user namespace of our own uid 0 is somebody else outside (user_namespaces(7)). */
function isInUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
}

interface Tun {
  /** The node that Allocate hands out. */
  readonly path: string;
  /** Why there is no tap; undefined when there is one. */
  readonly reason?: string;
}

/** Looks whether taps can be had: a device node that an unprivileged sidecar may open, a kernel with tun, and ping. */
async function findTun(root: string, realRoot: boolean): Promise<Tun> {
  let path = '/dev/net/tun';
  try {
    if (realRoot) {
      // A runtime copies a device's numbers and mode into the container. The node of the machine is often 0600, so a
      // template of our own is handed out.
      const directory = join(root, 'run/usvhost/dev');
      mkdirSync(directory, { recursive: true });
      const template = join(directory, 'net-tun');
      await run(['mknod', '-m', '0666', template, 'c', '10', '200']);
      path = template;
    }
    closeSync(openSync(path, 'r+'));
  } catch (error) {
    return { path: '/dev/net/tun', reason: `${path} cannot be used (${errnoOf(error) || String(error)})` };
  }
  try {
    await run(['ping', '-V']);
  } catch {
    return { path, reason: 'there is no ping command (apt-get install iputils-ping)' };
  }
  return { path };
}
