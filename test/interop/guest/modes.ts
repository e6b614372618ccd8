// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a guest's interface is made, one row for each.

import type { GuestKind } from './story.ts';

export interface GuestMode {
  readonly name: string;
  readonly kind: GuestKind;
  /** Of those that change how rings are used: what the guest has agreed upon with us. */
  readonly features: readonly string[];
  /** The same of what may be left undone on frames. Default: all of it. */
  readonly offloads?: readonly string[];
  /** Who takes no frames of many segments, so that the switch cuts them. Default: nobody, they go through whole. */
  readonly cutFor?: 'guest' | 'far';
  /** Stories besides plain traffic. */
  readonly stories: readonly ('bind' | 'boot' | 'kill' | 'kill and bind')[];
}

/** Those that change how rings are used. */
export const ringFeatures = ['MRG_RXBUF', 'MQ', 'INDIRECT_DESC', 'EVENT_IDX', 'RING_PACKED'];

/** What the switch offers for frames whose sums or segments are left undone; a guest wants all of it unless told otherwise. */
export const offloads = [
  'CSUM',
  'GUEST_CSUM',
  'GUEST_TSO4',
  'GUEST_TSO6',
  'GUEST_ECN',
  'HOST_TSO4',
  'HOST_TSO6',
  'HOST_ECN',
];

const usual = ['MRG_RXBUF', 'INDIRECT_DESC', 'EVENT_IDX'];
const withoutOffloads = [
  ...['csum', 'guest_csum', 'guest_tso4', 'guest_tso6', 'guest_ecn'],
  ...['host_tso4', 'host_tso6', 'host_ecn'],
].map((property) => `${property}=off`);

export const guestModes: readonly GuestMode[] = [
  { name: 'split', kind: {}, features: usual, stories: ['bind', 'boot', 'kill'] },
  {
    name: 'split, QEMU as server',
    kind: { server: true },
    features: usual,
    stories: ['bind', 'kill'],
  },
  {
    name: 'split, plain, no offloads',
    kind: { properties: ['mrg_rxbuf=off', 'indirect_desc=off', 'event_idx=off', ...withoutOffloads] },
    features: [],
    offloads: [],
    cutFor: 'guest',
    stories: ['bind'],
  },
  {
    name: 'split, two queue pairs',
    kind: { queues: 2 },
    features: ['MRG_RXBUF', 'MQ', 'INDIRECT_DESC', 'EVENT_IDX'],
    stories: ['bind', 'kill'],
  },
  // QEMU 7.2 knows no position of a packed ring whose back-end was killed, and does not reset it, so the guest must.
  {
    name: 'packed, no offloads at the far end',
    kind: { properties: ['packed=on'], farOffloads: false },
    features: [...usual, 'RING_PACKED'],
    cutFor: 'far',
    stories: ['bind', 'kill and bind'],
  },
];
