// SPDX-License-Identifier: Apache-2.0
//
// Our switch as the loop cases have it: two ports of the source, whose addresses it must have learned.

import { usvFailure } from '../lib/errors.ts';
import { RunningSwitch } from '../test/support/running.ts';
import type { RunContext, Values } from './case.ts';
import { circulate } from './circulate.ts';
import { compareCounts, type SourceName, type SourceOptions, type Undo } from './source.ts';

/** Of the frames carried: more would mean that the switch did not know the addresses and copied to all. */
const floodedShare = 0.001;
const names = ['first', 'second'] as const;

/**
 * `prepare`: what else is done with the switch before the source starts.
 * @throws UsvhostError USV_INTERNAL when it flooded, or has counted other frames than the source
 */
export async function circulateInOurs(
  context: RunContext,
  source: Omit<SourceOptions, 'paths'> & { readonly by: SourceName },
  options: {
    readonly directory: string;
    readonly undo: Undo;
    readonly maxPorts?: number;
    readonly prepare?: (carrier: RunningSwitch) => Promise<void>;
  },
): Promise<Values> {
  const { directory, undo, maxPorts = 2, prepare } = options;
  const carrier = new RunningSwitch({ directory, cpu: context.firstCpu, maxPorts });
  undo(() => carrier.close());
  const [first, second] = [carrier.addPort(names[0]), carrier.addPort(names[1])];
  await prepare?.(carrier);
  const circulated = await circulate(context, source.by, { ...source, paths: [first, second] }, undo);
  const counters = names.map((name) => ({ name, ...countersOf(carrier, name) }));
  compareCounts(circulated, counters);
  for (const { name, sent: carried, flooded } of counters) {
    // Before the switch has heard of the receiver, whose source may have to wait for its CPU, the ring went over whole.
    const most = Math.max(2 * source.ringSize, carried * floodedShare);
    if (flooded <= most) continue;
    const expected = `at most ${most} frames flooded`;
    throw usvFailure('USV_INTERNAL', `expected ${expected}, got ${flooded} of ${carried} at ${name}`);
  }
  return circulated.values;
}

/** As the pod sees it: what it sent and received. */
function countersOf(carrier: RunningSwitch, name: string) {
  const {
    tx_packets: sent = 0,
    rx_packets: received = 0,
    tx_flooded: flooded = 0,
  } = carrier.port(name).counters;
  return { sent, received, flooded };
}
