// SPDX-License-Identifier: Apache-2.0
//
// The source of the loop cases: one testpmd with two virtio-user ports that sends each frame that comes in at one port out at the other
// one, at a switch that carries them back. It is the same program with the same arguments for every switch.

import { Testpmd } from '../test/support/testpmd.ts';
import type { RunContext, Values } from './case.ts';
import { megaframes } from './rate.ts';

/** Frames of one burst of `start tx_first`. */
const burst = 32;
const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;

type Undo = (step: () => void | Promise<void>) => void;

export interface SourceOptions {
  /** Sockets of the switch's two ports. */
  readonly paths: readonly [string, string];
  readonly ringSize: number;
  /** How many bursts of frames of which size circulate in each direction: together at most a ring full. */
  readonly frames: readonly { readonly bytes: number; readonly bursts: number }[];
  /** Further device arguments of both ports. */
  readonly devargs?: readonly string[];
}

/** A ring full of frames of one size. */
export function ringFull(bytes: number, ringSize: number): SourceOptions['frames'] {
  return [{ bytes, bursts: ringSize / burst }];
}

/** Lets the frames circulate and returns as '' the millions of them that the source receives per second and direction. */
export async function circulate(context: RunContext, options: SourceOptions, undo: Undo): Promise<Values> {
  const { paths, ringSize, frames, devargs = [] } = options;
  const [first, second] = macs;
  const source = await Testpmd.start({
    ports: paths.map((path, index) => ({
      ...({ kind: 'virtio-user', path, mac: macs[index] ?? first, queueSize: ringSize } as const),
      devargs,
    })),
    forward: 'io',
    cpu: context.secondCpu,
    hugepages: context.hugepages,
    ringSize,
    // A frame that leaves by one port is for the other one.
    peerMacs: [second, first],
  });
  undo(() => source.stop());
  for (const [index, { bytes, bursts }] of frames.entries()) {
    // What circulates stays in the rings meanwhile.
    if (index > 0) await source.stopForwarding();
    await source.setFrameSize(bytes);
    await source.startForwarding(bursts);
  }
  const received = async (): Promise<number> =>
    (await source.portStats()).reduce((sum, { rxPackets }) => sum + rxPackets, 0);
  return { '': (await megaframes(context, received)) / macs.length };
}
