// SPDX-License-Identifier: Apache-2.0
//
// Our switch as the loop cases have it: two ports of the source, whose addresses it must have learned.

import { usvFailure } from '../lib/errors.ts';
import { RunningSwitch } from '../test/support/running.ts';
import type { RunContext, Values } from './case.ts';
import { circulate, type SourceOptions } from './source-loop.ts';

/** Of the frames carried: more would mean that the switch did not know the addresses and copied to all. */
const floodedShare = 0.001;
/** Before it has heard of the receiver, a port may have sent two bursts. */
const floodedFirst = 64;
const names = ['first', 'second'] as const;

type Undo = (step: () => void | Promise<void>) => void;

/** `prepare`: what else is done with the switch before the source starts. @throws UsvhostError USV_INTERNAL when it flooded */
export async function circulateInOurs(
  context: RunContext,
  source: Omit<SourceOptions, 'paths'>,
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
  const values = await circulate(context, { ...source, paths: [first, second] }, undo);
  for (const name of names) {
    const { tx_packets: carried = 0, tx_flooded: flooded = 0 } = carrier.port(name).counters;
    const most = Math.max(floodedFirst, carried * floodedShare);
    if (flooded <= most) continue;
    const expected = `at most ${most} frames flooded`;
    throw usvFailure('USV_INTERNAL', `expected ${expected}, got ${flooded} of ${carried} at ${name}`);
  }
  return values;
}
