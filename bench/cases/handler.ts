// SPDX-License-Identifier: Apache-2.0
//
// What it costs to have JavaScript decide on each frame: a sender, our switch, and a function that sends every frame back with its
// addresses swapped, once as a packet handler and once as native l2fwd. All share the CPUs, so the number is of the whole, not of
// the function alone. Frames are counted where they come back.

import { fileURLToPath } from 'node:url';
import { runDataplane } from '../../dataplane/daemon.ts';
import { dataplaneConfigSchema } from '../../lib/config/dataplane.ts';
import { createLogger } from '../../lib/log.ts';
import { privateDirectory } from '../../test/support/private-directory.ts';
import { RunningDriver, RunningSwitch } from '../../test/support/running.ts';
import type { BenchCase, Candidate, CaseGroup } from '../case.ts';
import { megaframes } from '../rate.ts';
import { withUndo } from '../undo.ts';

const queueSize = 1024;
const senderMac = '02:00:00:00:00:01';
const functionMac = '02:00:00:00:00:02';
const module = fileURLToPath(new URL('handler-module.ts', import.meta.url));

function running(name: string, size: number, engine: Readonly<Record<string, string>>): Candidate {
  return {
    name,
    needs: [],
    run: (context) =>
      withUndo(async (undo) => {
        const directory = privateDirectory();
        undo(() => directory.remove());
        const carrier = new RunningSwitch({ directory: directory.path });
        undo(() => carrier.close());
        const stop = new AbortController();
        const port = [`net_virtio_user0,path=${carrier.addPort('function')},queue_size=${queueSize}`];
        const log = createLogger('dataplane');
        log.level = 'warn';
        const config = dataplaneConfigSchema.parse({ ...engine, port });
        const ended = runDataplane(config, { log, onReport: () => undefined }, stop.signal);
        undo(async () => {
          stop.abort();
          await ended;
        });
        await Promise.race([carrier.until('function', 'up'), ended]);
        const traffic = { kind: 'txonly', size, limit: 0, verify: false, running: true } as const;
        const addresses = { sourceMac: senderMac, destinationMac: functionMac };
        const sender = new RunningDriver({
          path: carrier.addPort('sender'),
          queueSize,
          engine: { ...traffic, ...addresses },
        });
        undo(() => sender.close());
        await sender.linkUp();
        return { '': await megaframes(context, () => sender.metric('received')) };
      }),
  };
}

function caseOf(size: number): BenchCase {
  return {
    name: 'handler',
    params: { size, ring: 'split', queueSize },
    metrics: [{ name: '', unit: 'Mpps', better: 'higher' }],
    candidates: [
      running('usvhost', size, { engine: 'handler', handler: module }),
      running('native-l2fwd', size, { engine: 'l2fwd' }),
    ],
  };
}

export const handler: CaseGroup = {
  name: 'handler',
  about:
    'a packet handler in TypeScript beside the native l2fwd, frames going there and back through our switch',
  cases: [64, 1500].map(caseOf),
};
