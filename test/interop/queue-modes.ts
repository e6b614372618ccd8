// SPDX-License-Identifier: Apache-2.0
//
// How DPDK's virtio-user is told to use its rings where it has many of them.

export interface QueueMode {
  readonly name: string;
  readonly devargs: readonly string[];
}

export const queueModes: readonly QueueMode[] = [
  { name: 'split, in-order, mergeable', devargs: [] },
  { name: 'split, in-order', devargs: ['mrg_rxbuf=0'] },
  { name: 'split, mergeable', devargs: ['in_order=0'] },
  { name: 'packed, in-order, mergeable', devargs: ['packed_vq=1'] },
];
