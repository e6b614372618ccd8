// SPDX-License-Identifier: Apache-2.0
//
// What a source of the loop cases is: one process on one CPU with two virtio-user ports, at a switch that carries frames from one to the
// other. There are two, testpmd's and ours; each does the same for every switch.

import { usvFailure } from '../lib/errors.ts';
import type { Metric, Values } from './case.ts';

export const sourceNames = ['testpmd', 'usvhost'] as const;
export type SourceName = (typeof sourceNames)[number];

export type Undo = (step: () => void | Promise<void>) => void;

export interface SourceOptions {
  /** Sockets of the switch's two ports. */
  readonly paths: readonly [string, string];
  readonly ringSize: number;
  /** Which frames circulate in each direction; of several kinds so many parts of each. */
  readonly frames: readonly { readonly bytes: number; readonly parts: number }[];
  /** The source makes the sockets and the switch connects. Default false. */
  readonly listen?: boolean;
}

/** What went through a port, seen from the source. */
export interface PortCount {
  readonly sent: number;
  readonly received: number;
}

export interface Circulated {
  readonly values: Values;
  /** By port, from the first frame to the last, once none is under way; of the source that can tell. */
  readonly counts?: readonly PortCount[];
}

/** What a source measures. */
export const sourceMetrics: readonly Metric[] = [
  { name: '', unit: 'Mpps', better: 'higher' },
  { name: 'source-busy', unit: '% of the time', better: 'lower', compared: false },
];

/**
 * Compares what the source has counted with what the switch has, port by port.
 * @throws UsvhostError USV_INTERNAL when they differ: then one of the two figures is wrong
 */
export function compareCounts(circulated: Circulated, ofSwitch: readonly PortCount[]): void {
  const { counts } = circulated;
  if (counts === undefined) return;
  const row = ({ sent, received }: PortCount): string => `${sent} sent and ${received} received`;
  const [own, other] = [counts, ofSwitch].map((rows) => rows.map(row).join(', '));
  if (own === other) return;
  throw usvFailure(
    'USV_INTERNAL',
    `expected the source's count by port (${own}), got ${other} by the switch`,
  );
}
