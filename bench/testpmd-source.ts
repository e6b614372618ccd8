// SPDX-License-Identifier: Apache-2.0
//
// testpmd as source: it sends each frame that comes in at one port out at the other one, and begins with a ring full of frames on each.

import { Testpmd } from '../test/support/testpmd.ts';
import type { RunContext } from './case.ts';
import { megaframes } from './rate.ts';
import type { Circulated, SourceOptions, Undo } from './source.ts';

/** Frames of one burst of `start tx_first`. */
const burst = 32;
const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;

export async function circulateByTestpmd(
  context: RunContext,
  options: SourceOptions,
  undo: Undo,
): Promise<Circulated> {
  const { paths, ringSize, frames, listen = false } = options;
  const [first, second] = macs;
  const source = await Testpmd.start({
    ports: paths.map((path, index) => ({
      ...({ kind: 'virtio-user', path, mac: macs[index] ?? first, queueSize: ringSize } as const),
      devargs: listen ? ['server=1'] : [],
    })),
    forward: 'io',
    cpu: context.secondCpu,
    hugepages: context.hugepages,
    ringSize,
    // A frame that leaves by one port is for the other one.
    peerMacs: [second, first],
  });
  undo(() => source.stop());
  const parts = frames.reduce((sum, kind) => sum + kind.parts, 0);
  for (const [index, kind] of frames.entries()) {
    // What circulates stays in the rings meanwhile.
    if (index > 0) await source.stopForwarding();
    await source.setFrameSize(kind.bytes);
    await source.startForwarding(Math.floor((kind.parts * ringSize) / parts / burst));
  }
  const received = async (): Promise<number> =>
    (await source.portStats()).reduce((sum, { rxPackets }) => sum + rxPackets, 0);
  return { values: { '': (await megaframes(context, received)) / macs.length } };
}
