// SPDX-License-Identifier: Apache-2.0
//
// Which devices the kubelet should take: those it must, then those that can be used at once, all of one NUMA node where
// one has enough. That a device can be used at once weighs more than its node: a pod whose device cannot is rejected. It
// is a hint and never makes a device unavailable.

import { usvError } from '../lib/errors.ts';
import type { DevicePool } from './pool.ts';

export interface PreferenceRequest {
  readonly available: readonly string[];
  readonly mustInclude: readonly string[];
  /** How many ids are wanted, those of `mustInclude` counted. */
  readonly size: number;
}

/** Devices of one NUMA node that are free. */
interface NodeGroup {
  readonly vacant: string[];
  readonly occupied: string[];
}

/** Chooses `size` ids. Throws USV_DEVICE_UNKNOWN, and USV_USAGE when the request cannot be met. */
export function prefer(
  request: PreferenceRequest,
  pool: DevicePool,
  isVacant: (id: string) => boolean,
): string[] {
  const must = pool.order(request.mustInclude);
  const free = pool.order(request.available).filter((id) => !must.includes(id));
  const wanted = request.size - must.length;
  if (wanted < 0 || wanted > free.length) {
    throw usvError('USV_USAGE', {
      what: 'the size of a preferred allocation',
      expected: `${must.length}..${must.length + free.length}`,
      got: String(request.size),
    });
  }
  if (wanted === 0) return must;
  const groups = groupByNode(free, pool, isVacant);
  const taken = new Set(must.map((id) => pool.numaNode(id)));
  const nodes = [...groups].toSorted(
    ([a, { vacant: ofA }], [b, { vacant: ofB }]) =>
      Number(taken.has(b)) - Number(taken.has(a)) || byRoom(ofA.length, ofB.length, wanted),
  );
  const vacant = nodes.flatMap(([, group]) => group.vacant);
  const occupied = nodes.flatMap(([, group]) => group.occupied);
  return [...must, ...[...vacant, ...occupied].slice(0, wanted)];
}

function groupByNode(
  free: readonly string[],
  pool: DevicePool,
  isVacant: (id: string) => boolean,
): ReadonlyMap<number | undefined, NodeGroup> {
  const groups = new Map<number | undefined, NodeGroup>();
  for (const id of free) {
    const node = pool.numaNode(id);
    const group = groups.get(node) ?? { vacant: [], occupied: [] };
    groups.set(node, group);
    (isVacant(id) ? group.vacant : group.occupied).push(id);
  }
  return groups;
}

/** The node with the fewest that has enough, so that the others stay whole; without such, the fullest, to need few nodes. */
function byRoom(a: number, b: number, wanted: number): number {
  if (a >= wanted !== b >= wanted) return a >= wanted ? -1 : 1;
  return a >= wanted ? a - b : b - a;
}
