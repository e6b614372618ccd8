// SPDX-License-Identifier: Apache-2.0
//
// How DPDK's virtio-user may be told to use its rings, one row for each of its code paths; DPDK's own plan for them is
// loopback_multi_paths_port_restart of the DPDK Test Suite.

import { readFileSync } from 'node:fs';
import { virtioFeatures } from '../../lib/feature-names.ts';

export interface VirtioUserMode {
  readonly name: string;
  /** Device arguments besides path, address and ring size. */
  readonly devargs: readonly string[];
  readonly queueSize: number;
  /** Bytes of a receive buffer; default: as large as any frame of an MTU of 1500. */
  readonly bufferBytes?: number;
  /** Frames may take several receive buffers. */
  readonly mergeable: boolean;
  /** As wide as DPDK's vectors must be allowed to be for its path; default: as wide as they are. */
  readonly vectorBits?: number;
  /** The path on which DPDK says that it receives, where the processor has what it needs. */
  readonly receivePath: string;
  /** What `pathFeatures` must be. */
  readonly features: readonly string[];
}

/** DPDK knows these three by device argument; it takes others by itself. */
const watched = ['RING_PACKED', 'MRG_RXBUF', 'IN_ORDER'];

/** Of a port's features those that decide about DPDK's code path. */
export function pathFeatures(word: bigint): string[] {
  return virtioFeatures(word)
    .filter((name) => watched.includes(name))
    .toSorted();
}

const longestBuffer = 9216;

/** DPDK's vectorized path of packed rings is written for these; without one of them it takes the standard one. */
const packedVectorFlags = ['avx512f', 'avx512bw', 'avx512vl'];

function hasPackedVectors(): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(' ') ?? [];
  return packedVectorFlags.every((flag) => flags.includes(flag));
}

/** In the words of DPDK's virtio driver. */
function receivePathOf({
  packed = false,
  inOrder = false,
  mergeable = false,
  vectorized = false,
}: Path): string {
  if (packed) {
    if (vectorized && hasPackedVectors()) return 'packed ring vectorized';
    return mergeable ? 'packed ring mergeable buffer' : 'packed ring standard';
  }
  if (vectorized) return 'vectorized';
  if (inOrder) return 'inorder';
  return mergeable ? 'mergeable buffer' : 'standard';
}

interface Path {
  readonly packed?: boolean;
  readonly inOrder?: boolean;
  readonly mergeable?: boolean;
  readonly vectorized?: boolean;
  readonly queueSize?: number;
  readonly bufferBytes?: number;
}

function modeOf(path: Path): VirtioUserMode {
  const { packed = false, inOrder = false, mergeable = false, vectorized = false, ...sizes } = path;
  // What DPDK chains it cannot send by packed rings (docs/interop.md), so there its buffers take the longest frame.
  const room = packed && mergeable ? { bufferBytes: longestBuffer } : {};
  const words = [
    ...[packed ? 'packed' : 'split', ...(inOrder ? ['in-order'] : [])],
    ...[...(mergeable ? ['mergeable'] : []), ...(vectorized ? ['vectorized'] : [])],
  ];
  const bits = { packed_vq: packed, in_order: inOrder, mrg_rxbuf: mergeable, vectorized };
  const features = [
    ...[...(inOrder ? ['IN_ORDER'] : []), ...(mergeable ? ['MRG_RXBUF'] : [])],
    ...(packed ? ['RING_PACKED'] : []),
  ];
  return {
    name: words.join(', '),
    devargs: Object.entries(bits).map(([name, on]) => `${name}=${on ? 1 : 0}`),
    features,
    mergeable,
    receivePath: receivePathOf(path),
    ...(packed && vectorized ? { vectorBits: 512 } : {}),
    queueSize: 256,
    ...room,
    ...sizes,
  };
}

const paths: readonly Path[] = [
  { inOrder: true, mergeable: true },
  { inOrder: true },
  { mergeable: true },
  {},
  { vectorized: true },
];

export const virtioUserModes: readonly VirtioUserMode[] = [
  ...paths,
  ...paths.slice(0, -1).map((path) => ({ ...path, packed: true })),
  { packed: true, inOrder: true, vectorized: true },
  { inOrder: true, mergeable: true, queueSize: 1024 },
  // Packed rings need no power of two.
  { packed: true, inOrder: true, vectorized: true, queueSize: 255 },
  { packed: true, mergeable: true, queueSize: 255 },
  // Frames in chains of up to four buffers, both ways. Not with packed rings: see docs/interop.md.
  { inOrder: true, mergeable: true, bufferBytes: 384 },
  { mergeable: true, bufferBytes: 384 },
].map(modeOf);

export function titleOf({ name, queueSize, bufferBytes }: VirtioUserMode): string {
  const chained = bufferBytes !== undefined && bufferBytes < longestBuffer;
  return `${name}, ${queueSize} entries${chained ? `, chained (${bufferBytes} B)` : ''}`;
}
