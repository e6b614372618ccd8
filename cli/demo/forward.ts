// SPDX-License-Identifier: Apache-2.0
//
// The second half of the demo: txonly in one pod → switch → l2fwd in the other → switch → counted in the first. Every
// frame that does not come back must stand under a named drop, or the demo fails.

import { usvFailure } from '../../lib/errors.ts';
import type { DemoResult } from './document.ts';
import type { DemoNode } from './node.ts';
import type { Pod } from './pod.ts';

export type ForwardResult = DemoResult['forward'][number];

export interface Progress {
  readonly size: number;
  readonly mpps: number;
  readonly gbps: number;
}

interface Report {
  readonly final: boolean;
  readonly seconds?: number;
  readonly ports: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly engine: Readonly<Record<string, number>>;
}

const reportMillis = 250;

function gigabits(mpps: number, size: number): number {
  return (mpps * size * 8) / 1000;
}

type Counters = Map<string, number>;

/** Drop counters of both switch ports. */
async function switchDrops(node: DemoNode, pods: readonly Pod[]): Promise<Counters> {
  const ports = await node.ports();
  const drops: Counters = new Map();
  for (const pod of pods) {
    for (const [name, value] of Object.entries(ports.get(pod.port)?.counters ?? {})) {
      if (name.includes('_drop_')) drops.set(`switch.${pod.plan.name}.${name}`, Number(value));
    }
  }
  return drops;
}

/** Drops and losses of a dataplane's driver, with the frames of its engine. */
function driverDrops(pod: Pod, report: Report): Counters {
  const counters = Object.values(report.ports)[0] ?? {};
  const names = Object.keys(counters).filter((name) => name.includes('_drop_') || name === 'tx_lost');
  return new Map(names.map((name) => [`${pod.plan.name}.${name}`, counters[name] ?? 0]));
}

function lastReport(output: string): Report {
  return JSON.parse(output.split('\n').at(-1) ?? '') as Report;
}

export async function forward(
  node: DemoNode,
  pods: { readonly source: Pod; readonly echo: Pod },
  options: {
    readonly size: number;
    readonly seconds: number;
    readonly onProgress: (progress: Progress) => void;
  },
): Promise<ForwardResult> {
  const { source, echo } = pods;
  const { size, seconds } = options;
  const before = await switchDrops(node, [source, echo]);
  const forwarder = echo.dataplane(['--engine', 'l2fwd']);
  let received = 0;
  const onLine = (line: string): void => {
    const report = JSON.parse(line) as Report;
    if (report.final) return;
    const now = report.engine['received'] ?? 0;
    const mpps = (now - received) / (reportMillis / 1000) / 1e6;
    received = now;
    options.onProgress({ size, mpps, gbps: gigabits(mpps, size) });
  };
  let sourceReport: Report;
  let echoReport: Report;
  try {
    await forwarder.whileRunning(node.portUp(echo.port));
    const sender = source.dataplane(
      [
        ...['--engine', 'txonly', '--size', String(size), '--seconds', String(seconds)],
        ...['--peer-mac', echo.mac, '--report-millis', String(reportMillis)],
      ],
      { onLine },
    );
    sourceReport = lastReport(await forwarder.whileRunning(sender.succeeded()));
  } finally {
    echoReport = lastReport((await forwarder.stop()).stdout || '{"final":true,"ports":{},"engine":{}}');
  }
  const after = await switchDrops(node, [source, echo]);
  const drops = new Map([...driverDrops(source, sourceReport), ...driverDrops(echo, echoReport)]);
  for (const [name, value] of after) drops.set(name, value - (before.get(name) ?? 0));
  return judge(size, sourceReport, drops);
}

function judge(size: number, report: Report, all: Counters): ForwardResult {
  const sent = report.engine['sent'] ?? 0;
  const received = report.engine['received'] ?? 0;
  const drops = Object.fromEntries([...all].filter(([, value]) => value !== 0));
  const named = Object.values(drops).reduce((sum, value) => sum + value, 0);
  if (received === 0)
    throw usvFailure('USV_INTERNAL', `expected forwarded frames of ${size} bytes, got none`);
  if (sent - received !== named) {
    throw usvFailure(
      'USV_INTERNAL',
      `expected every missing frame under a named drop, got ${sent - received} missing and ${named} named: ${JSON.stringify(drops)}`,
    );
  }
  const mpps = received / (report.seconds ?? 1) / 1e6;
  return { size, sent, received, drops, mpps: round(mpps), gbps: round(gigabits(mpps, size)) };
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
