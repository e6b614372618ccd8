// SPDX-License-Identifier: Apache-2.0
//
// The demo itself, inside its walls: a node, two pods, ping, forwarding, and everything undone again. Reads as the story
// it tells; each step's undo stands beside it.

import { usvFailure } from '../../lib/errors.ts';
import type { DemoResult } from './document.ts';
import { type ForwardResult, forward, type Progress } from './forward.ts';
import { pingByEngine, pingThroughTaps, requireAll } from './ping.ts';
import { setStage } from './stage.ts';

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
  const { node, pods, uid, withoutTap } = await setStage({ root, say, onUndo: (step) => undo.push(step) });
  const [first, second] = pods;
  const byTap = withoutTap === undefined;

  say(
    byTap
      ? `ping        pod-a → tap → dataplane (uid ${uid}) → switch → dataplane → tap → pod-b`
      : `ping        by our own ARP and ICMP, from engine to engine: ${withoutTap}`,
  );
  const ping = await (byTap ? pingThroughTaps(node, first, second) : pingByEngine(first, second));
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
    pingBy: byTap ? 'tap' : 'engine',
    ports: [first, second].map((pod) => ({
      pod: pod.plan.name,
      port: pod.port,
      mac: pod.mac,
      features: `0x${node.features(pod.port).toString(16)}`,
    })),
    forward: results,
  };
}
