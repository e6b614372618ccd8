// SPDX-License-Identifier: Apache-2.0
//
// Which devices the kubelet should take: those it must, then those whose directory nothing is mounted in, so that a pod
// does not wait for the clean-up of the one before. It is a hint and never makes a device unavailable.

import { usvError } from '../lib/errors.ts';
import type { DevicePool } from './pool.ts';

export interface PreferenceRequest {
  readonly available: readonly string[];
  readonly mustInclude: readonly string[];
  /** How many ids are wanted, those of `mustInclude` counted. */
  readonly size: number;
}

/** Chooses `size` ids. Throws USV_DEVICE_UNKNOWN, and USV_USAGE when the request cannot be met. */
export function prefer(
  request: PreferenceRequest,
  pool: DevicePool,
  isVacant: (id: string) => boolean,
): string[] {
  const must = pool.order(request.mustInclude);
  const free = pool.order(request.available).filter((id) => !must.includes(id));
  if (request.size < must.length || request.size > must.length + free.length) {
    throw usvError('USV_USAGE', {
      what: 'the size of a preferred allocation',
      expected: `${must.length}..${must.length + free.length}`,
      got: String(request.size),
    });
  }
  const chosen = [...must];
  const occupied: string[] = [];
  for (const id of free) {
    if (chosen.length === request.size) break;
    (isVacant(id) ? chosen : occupied).push(id);
  }
  return [...chosen, ...occupied.slice(0, request.size - chosen.length)];
}
