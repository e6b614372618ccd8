// SPDX-License-Identifier: Apache-2.0
//
// How our driver meets DPDK's vhost, one row for each way.

export interface VhostMode {
  readonly name: string;
  readonly queueSize: number;
  /** Bytes of a buffer of DPDK's; default: as large as any frame. */
  readonly bufferBytes?: number;
}

export const vhostModes: readonly VhostMode[] = [
  { name: 'split, 256 entries', queueSize: 256 },
  { name: 'split, 1024 entries', queueSize: 1024 },
  { name: 'split, 256 entries, chained (384 B)', queueSize: 256, bufferBytes: 384 },
];
