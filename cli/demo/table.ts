// SPDX-License-Identifier: Apache-2.0
//
// The demo's results for people, as plain text.

import type { DemoResult } from './document.ts';

/** Names of the feature bits that ports of this project negotiate (virtio 1.2, section 6; vhost-user). */
const featureNames: ReadonlyMap<number, string> = new Map([
  [30, 'VHOST_USER_F_PROTOCOL_FEATURES'],
  [32, 'VIRTIO_F_VERSION_1'],
]);

function featureList(features: string): string {
  const value = BigInt(features);
  const names = [...Array(64).keys()]
    .filter((bit) => (value >> BigInt(bit)) & 1n)
    .map((bit) => featureNames.get(bit) ?? `bit ${bit}`);
  return names.join(', ');
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

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
        `${features} ${featureList(features)}`,
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
