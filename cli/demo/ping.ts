// SPDX-License-Identifier: Apache-2.0
//
// The first half of the demo: ten pings from pod to pod. Through two taps with the system's own ping where the kernel
// lets us, else from packet engine to packet engine, and then saying so.

import { usvFailure } from '../../lib/errors.ts';
import type { DemoResult } from './document.ts';
import type { DemoNode } from './node.ts';
import type { Pod } from './pod.ts';
import { Child } from './process.ts';

type PingResult = DemoResult['ping'];

const count = 10;

function bareAddress(pod: Pod): string {
  return pod.plan.address.split('/')[0] ?? '';
}

function summary(sent: number, rtts: readonly number[]): PingResult {
  const sorted = [...rtts].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? 0;
  return {
    sent,
    received: sorted.length,
    rttUs: { min: at(0), p50: at(Math.floor((sorted.length - 1) / 2)), max: at(sorted.length - 1) },
  };
}

/** Microseconds of each answer in the output of iputils' ping. */
export function parsePing(output: string): number[] {
  return [...output.matchAll(/ time=([\d.]+) ms/g)].map((match) => Math.round(Number(match[1]) * 1000));
}

/** Through both kernels: the taps carry the frames to and from the dataplanes. */
export async function pingThroughTaps(node: DemoNode, from: Pod, to: Pod): Promise<PingResult> {
  const dataplanes = [from, to].map((pod) => pod.dataplane(['--engine', 'tap']));
  try {
    for (const [index, pod] of [from, to].entries())
      await dataplanes[index]?.whileRunning(node.portUp(pod.port));
    const ping = new Child(
      'ping',
      // -w: also when answers are missing it ends.
      from.inNetwork('ping', '-n', '-c', String(count), '-i', '0.2', '-w', '20', bareAddress(to)),
    );
    const { stdout } = await ping.finished();
    for (const dataplane of dataplanes) {
      if (!dataplane.running) await dataplane.succeeded();
    }
    const sent = Number(/(\d+) packets transmitted/.exec(stdout)?.[1] ?? 0);
    return summary(sent, parsePing(stdout));
  } finally {
    await stopAll(dataplanes);
  }
}

/** From engine to engine: our own ARP and ICMP on either side. */
export async function pingByEngine(from: Pod, to: Pod): Promise<PingResult> {
  const responder = to.dataplane(['--engine', 'responder']);
  try {
    const ping = from.dataplane(['--engine', 'ping', '--count', String(count), '--target', bareAddress(to)]);
    const output = await ping.succeeded();
    const { engine } = JSON.parse(output.split('\n').at(-1) ?? '') as { engine: Record<string, number> };
    const rtt = (name: string): number => Math.round(engine[name] ?? 0);
    return {
      sent: engine['sent'] ?? 0,
      received: engine['received'] ?? 0,
      rttUs: { min: rtt('rtt_min_us'), p50: rtt('rtt_p50_us'), max: rtt('rtt_max_us') },
    };
  } finally {
    await stopAll([responder]);
  }
}

async function stopAll(children: readonly Child[]): Promise<void> {
  await Promise.all(children.map((child) => child.stop()));
}

/** @throws UsvhostError USV_INTERNAL unless every ping was answered. */
export function requireAll(result: PingResult): void {
  if (result.received === count) return;
  throw usvFailure('USV_INTERNAL', `expected ${count} of ${count} pings answered, got ${result.received}`);
}
