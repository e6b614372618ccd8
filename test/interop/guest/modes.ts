// SPDX-License-Identifier: Apache-2.0
//
// The ways in which a guest's interface is made, one row for each.

import type { GuestKind } from './story.ts';

export interface GuestMode {
  readonly name: string;
  readonly kind: GuestKind;
  /** Of those that change how rings are used: what the guest has agreed upon with us. */
  readonly features: readonly string[];
  /** Stories besides plain traffic. */
  readonly stories: readonly ('bind' | 'boot' | 'kill' | 'kill and bind')[];
}

/** Those that change how rings are used. */
export const ringFeatures = ['MRG_RXBUF', 'INDIRECT_DESC', 'EVENT_IDX', 'RING_PACKED'];

/** What the switch offers for frames whose sums or segments are left undone; every guest wants all of it. */
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

export const guestModes: readonly GuestMode[] = [
  { name: 'split', kind: {}, features: usual, stories: ['bind', 'boot', 'kill'] },
  {
    name: 'split, QEMU as server',
    kind: { server: true },
    features: usual,
    stories: ['bind', 'kill'],
  },
  {
    name: 'split, plain',
    kind: { properties: ['mrg_rxbuf=off', 'indirect_desc=off', 'event_idx=off'] },
    features: [],
    stories: ['bind'],
  },
  // QEMU 7.2 knows no position of a packed ring whose back-end was killed, and does not reset it, so the guest must.
  {
    name: 'packed',
    kind: { properties: ['packed=on'] },
    features: ringFeatures,
    stories: ['bind', 'kill and bind'],
  },
];
