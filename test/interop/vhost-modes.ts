// SPDX-License-Identifier: Apache-2.0
//
// How our driver meets DPDK's vhost, one row for each way: those of DPDK's own virtio-user, and those for which it has no
// device argument.

import type { DriverOffers } from '../../native/index.ts';

export interface VhostMode {
  readonly name: string;
  readonly queueSize: number;
  /** What the driver offers, and vhost takes. */
  readonly offers: DriverOffers;
  /** Bytes of a buffer of DPDK's; default: as large as any frame. */
  readonly bufferBytes?: number;
}

const titles: Readonly<Record<keyof DriverOffers, string>> = {
  packed: 'packed',
  inOrder: 'in-order',
  mergeable: 'mergeable',
  indirect: 'indirect',
  eventIndex: 'event index',
};

function mode(offered: readonly (keyof DriverOffers)[], queueSize = 256, bufferBytes?: number): VhostMode {
  const has = (offer: keyof DriverOffers): boolean => offered.includes(offer);
  const offers = {
    packed: has('packed'),
    inOrder: has('inOrder'),
    mergeable: has('mergeable'),
    indirect: has('indirect'),
    eventIndex: has('eventIndex'),
  };
  const words = [
    ...(offers.packed ? [] : ['split']),
    ...offered.map((offer) => titles[offer]),
    `${queueSize} entries`,
    ...(bufferBytes === undefined ? [] : [`chained (${bufferBytes} B)`]),
  ];
  return { name: words.join(', '), queueSize, offers, ...(bufferBytes === undefined ? {} : { bufferBytes }) };
}

export const vhostModes: readonly VhostMode[] = [
  mode([]),
  mode([], 1024),
  mode([], 256, 384),
  mode(['inOrder']),
  mode(['mergeable']),
  mode(['inOrder', 'mergeable']),
  mode(['mergeable', 'indirect']),
  mode(['inOrder', 'mergeable', 'indirect'], 1024),
  mode(['eventIndex']),
  mode(['packed']),
  mode(['packed', 'inOrder']),
  mode(['packed', 'mergeable']),
  mode(['packed', 'inOrder', 'mergeable']),
  mode(['packed', 'mergeable', 'indirect']),
  mode(['packed', 'mergeable'], 255),
  mode(['packed', 'eventIndex'], 1024),
];

/** Numbers of VIRTIO_F_RING_PACKED, IN_ORDER, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_INDIRECT_DESC and EVENT_IDX. */
const bits: Readonly<Record<keyof DriverOffers, bigint>> = {
  packed: 34n,
  inOrder: 35n,
  mergeable: 15n,
  indirect: 28n,
  eventIndex: 29n,
};

/** Which offers a word of features has taken. */
export function taken(features: bigint): DriverOffers {
  const has = (offer: keyof DriverOffers): boolean => ((features >> bits[offer]) & 1n) === 1n;
  return {
    packed: has('packed'),
    inOrder: has('inOrder'),
    mergeable: has('mergeable'),
    indirect: has('indirect'),
    eventIndex: has('eventIndex'),
  };
}
