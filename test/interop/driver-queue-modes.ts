// SPDX-License-Identifier: Apache-2.0
//
// With how many queue pairs, and in which form of rings, our driver meets others that have eight.

import type { DriverOffers } from '../../native/index.ts';

export interface DriverQueueMode {
  readonly name: string;
  readonly pairs: number;
  readonly offers: Partial<DriverOffers>;
}

const forms = [
  { name: 'split', offers: {} },
  { name: 'packed', offers: { packed: true } },
  { name: 'packed, mergeable', offers: { packed: true, mergeable: true } },
] as const;

export const driverQueueModes: readonly DriverQueueMode[] = [2, 8].flatMap((pairs) =>
  forms.map(({ name, offers }) => ({ name: `${pairs} queue pairs, ${name}`, pairs, offers })),
);
