// SPDX-License-Identifier: Apache-2.0
//
// What connected ports cost that have nothing to do: two busy ports among 16, 64 and 254, beside the same two alone. Frames of the simple
// Internet mix (64, 570 and 1518 bytes as 7 : 4 : 1) circulate between the busy ones.

import { privateDirectory } from '../../test/support/private-directory.ts';
import { RunningDriver, type RunningSwitch } from '../../test/support/running.ts';
import type { Candidate, CaseGroup } from '../case.ts';
import { circulateInOurs } from '../our-switch.ts';
import { prepareOurSource } from '../own-source.ts';
import { sourceMetrics } from '../source.ts';
import { withUndo } from '../undo.ts';

const ringSize = 1024;
const mix = [
  { bytes: 64, parts: 7 },
  { bytes: 570, parts: 4 },
  { bytes: 1518, parts: 1 },
];
const busy = 2;
const by = 'usvhost';

/** A port with a driver of ours that waits for frames. */
async function connect(carrier: RunningSwitch, index: number): Promise<RunningDriver> {
  const path = carrier.addPort(`idle${index}`);
  const mac = `02:00:00:01:00:${(index % 256).toString(16).padStart(2, '0')}`;
  const driver = new RunningDriver({
    path,
    queueSize: 256,
    engine: { kind: 'responder', mac, ip: '10.0.0.9' },
  });
  await driver.linkUp();
  return driver;
}

function among(ports: number): Candidate {
  return {
    name: ports === busy ? 'two-ports' : 'usvhost',
    needs: [],
    run: (context) =>
      withUndo(async (undo) => {
        const directory = privateDirectory();
        undo(() => directory.remove());
        const prepare = async (carrier: RunningSwitch): Promise<void> => {
          for (let index = busy; index < ports; index++) {
            const driver = await connect(carrier, index);
            undo(() => driver.close());
          }
        };
        const place = { directory: directory.path, undo, maxPorts: ports, prepare };
        return circulateInOurs(context, { by, ringSize, frames: mix }, place);
      }),
  };
}

export const manyPorts: CaseGroup = {
  name: 'many-ports',
  about: 'two busy ports among many connected ones, beside the same two alone',
  cases: [16, 64, 254].map((ports) => ({
    name: 'many-ports',
    params: { ports, busy, size: 'imix', queueSize: ringSize, source: by },
    metrics: sourceMetrics,
    prepare: prepareOurSource,
    candidates: [among(ports), among(busy)],
  })),
};
