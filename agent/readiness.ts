// SPDX-License-Identifier: Apache-2.0
//
// Whether the agent can serve a pod now, part by part, in words. It looks only: nothing here asks anybody or waits.

import type { ResourceState } from '../device-plugin/plugin.ts';
import type { Part } from '../lib/parts.ts';

export interface Parts {
  /** Whether the state's database is open. */
  readonly stateOpen: () => boolean;
  /** Whether the CNI socket is there and ours. */
  readonly cniPresent: () => boolean;
  readonly resources: () => readonly ResourceState[];
  /** Undefined until the switch has answered or failed once. */
  readonly switchReachable: () => boolean | undefined;
}

/** The parts that an ADD needs, the most basic one first. */
export function lookAtParts(parts: Parts): readonly Part[] {
  return [
    parts.stateOpen()
      ? { name: 'state', ready: true, why: 'open' }
      : { name: 'state', ready: false, why: 'the database is closed' },
    parts.cniPresent()
      ? { name: 'cni', ready: true, why: 'listening' }
      : { name: 'cni', ready: false, why: 'the CNI socket is gone or is not ours' },
    kubeletPart(parts.resources()),
    switchPart(parts.switchReachable()),
  ];
}

// An absent kubelet is no fault of the agent, which registers when it comes.
function kubeletPart(resources: readonly ResourceState[]): Part {
  const name = 'kubelet';
  const failed = resources.find(({ registered, failure }) => !registered && failure !== undefined);
  if (failed !== undefined) return { name, ready: false, why: `${failed.resource}: ${failed.failure}` };
  const waiting = resources.find(({ registered }) => !registered);
  if (waiting === undefined) return { name, ready: true, why: 'registered' };
  return { name, ready: true, why: `${waiting.resource} waits for a kubelet` };
}

function switchPart(reachable: boolean | undefined): Part {
  const name = 'switch';
  if (reachable === true) return { name, ready: true, why: 'reachable' };
  const why = reachable === undefined ? 'not seen yet' : 'does not answer';
  return { name, ready: false, why };
}
