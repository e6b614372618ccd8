// SPDX-License-Identifier: Apache-2.0
//
// The demo's results for people, as plain text.

import { virtioFeatures } from '../../lib/feature-names.ts';
import { columns } from '../columns.ts';
import type { DemoResult } from './document.ts';

export function table(result: DemoResult): string {
  const { ping, forward, ports } = result;
  const drops = (entry: (typeof forward)[number]): string =>
    Object.entries(entry.drops)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ') || 'none';
  return [
    columns([
      ['pod', 'port', 'MAC', 'features'],
      ...ports.map(({ pod, port, mac, features }) => [
        pod,
        port,
        mac,
        `${features} ${virtioFeatures(BigInt(features)).join(', ')}`,
      ]),
    ]),
    `\nping by ${result.pingBy}: ${ping.received} of ${ping.sent}, rtt min/p50/max ${ping.rttUs.min}/${ping.rttUs.p50}/${ping.rttUs.max} µs\n`,
    columns([
      ['size', 'sent', 'received', 'Mpps', 'Gb/s', 'drops'],
      ...forward.map((entry) => [
        `${entry.size} B`,
        String(entry.sent),
        String(entry.received),
        entry.mpps.toFixed(3),
        entry.gbps.toFixed(3),
        drops(entry),
      ]),
    ]),
  ].join('\n');
}
