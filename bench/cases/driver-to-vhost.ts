// SPDX-License-Identifier: Apache-2.0
//
// One sender, one receiver, one core each: our driver into DPDK's vhost beside DPDK's virtio-user into the same vhost.
// Frames are counted at the receiver. Ours into our own back-end is shown too, but there nothing is copied.

import { join } from 'node:path';
import type { DriverOffers } from '../../native/index.ts';
import { privateDirectory } from '../../test/support/private-directory.ts';
import { RunningDriver, RunningSwitch } from '../../test/support/running.ts';
import { Testpmd } from '../../test/support/testpmd.ts';
import type { BenchCase, Candidate, CaseGroup, RunContext } from '../case.ts';
import { megaframes } from '../rate.ts';
import { withUndo } from '../undo.ts';

const ringSize = 1024;
const senderMac = '02:00:00:00:00:01';
const receiverMac = '02:00:00:00:00:02';

/** How both senders are asked to use their rings. */
interface Rings {
  readonly ring: 'split' | 'packed in-order';
  readonly offers: Partial<DriverOffers>;
  readonly devargs: readonly string[];
  readonly vectorBits?: number;
}
/** Both as they are without arguments; for packed rings DPDK's is asked for its fastest path. */
const ringKinds: readonly Rings[] = [
  { ring: 'split', offers: {}, devargs: [] },
  {
    ring: 'packed in-order',
    offers: { packed: true },
    devargs: ['packed_vq=1', 'in_order=1', 'mrg_rxbuf=0', 'vectorized=1'],
    vectorBits: 512,
  },
];

type Undo = (step: () => void | Promise<void>) => void;

async function startReceiver(context: RunContext, path: string, undo: Undo): Promise<Testpmd> {
  const receiver = await Testpmd.start({
    ports: [{ kind: 'vhost', path }],
    forward: 'rxonly',
    cpu: context.secondCpu,
    hugepages: context.hugepages,
    ringSize,
  });
  undo(() => receiver.stop());
  await receiver.startForwarding();
  return receiver;
}

function startOurSender(
  context: RunContext,
  path: string,
  { size, offers }: { readonly size: number; readonly offers: Rings['offers'] },
  undo: Undo,
): RunningDriver {
  const traffic = { size, limit: 0, verify: false, running: true };
  const addresses = { sourceMac: senderMac, destinationMac: receiverMac };
  const engine = { kind: 'txonly', ...traffic, ...addresses } as const;
  const driver = new RunningDriver({ path, queueSize: ringSize, offers, engine, cpu: context.firstCpu });
  undo(() => driver.close());
  return driver;
}

async function startTheirSender(
  context: RunContext,
  path: string,
  { size, devargs, vectorBits }: Omit<Rings, 'offers' | 'ring'> & { readonly size: number },
  undo: Undo,
): Promise<Testpmd> {
  const sender = await Testpmd.start({
    ports: [{ kind: 'virtio-user', path, mac: senderMac, queueSize: ringSize, devargs }],
    ...(vectorBits === undefined ? {} : { vectorBits }),
    forward: 'txonly',
    cpu: context.firstCpu,
    hugepages: context.hugepages,
    ringSize,
    peerMacs: [receiverMac],
    frameSize: size,
  });
  undo(() => sender.stop());
  await sender.startForwarding();
  return sender;
}

function intoVhost(
  name: string,
  start: (context: RunContext, path: string, undo: Undo) => Promise<void>,
): Candidate {
  return {
    name,
    needs: ['dpdk-testpmd'],
    run: (context) =>
      withUndo(async (undo) => {
        const directory = privateDirectory();
        undo(() => directory.remove());
        const path = join(directory.path, 'vhost.sock');
        const receiver = await startReceiver(context, path, undo);
        await start(context, path, undo);
        const received = async (): Promise<number> => (await receiver.portStats())[0]?.rxPackets ?? 0;
        return { '': await megaframes(context, received) };
      }),
  };
}

/** The switch with one port: frames are fetched, classified and completed, and no other port takes a copy. */
function intoOwnBackEnd(traffic: { readonly size: number; readonly offers: Rings['offers'] }): Candidate {
  return {
    name: 'own-back-end-without-copy',
    needs: [],
    partial: true,
    run: (context) =>
      withUndo(async (undo) => {
        const directory = privateDirectory();
        undo(() => directory.remove());
        const backEnd = new RunningSwitch({ directory: directory.path, cpu: context.secondCpu });
        undo(() => backEnd.close());
        const driver = startOurSender(context, backEnd.addPort('port'), traffic, undo);
        await driver.linkUp();
        const taken = (): number => backEnd.port('port').counters['tx_packets'] ?? 0;
        return { '': await megaframes(context, taken) };
      }),
  };
}

function caseOf(size: number, rings: Rings): BenchCase {
  const traffic = { size, ...rings };
  const ours = intoVhost('usvhost', async (context, path, undo) => {
    await startOurSender(context, path, traffic, undo).linkUp();
  });
  const theirs = intoVhost('testpmd-virtio-user', async (context, path, undo) => {
    await startTheirSender(context, path, traffic, undo);
  });
  return {
    name: 'driver-to-vhost',
    params: { size, ring: rings.ring, queueSize: ringSize },
    metrics: [{ name: '', unit: 'Mpps', better: 'higher' }],
    candidates: [ours, theirs, intoOwnBackEnd(traffic)],
  };
}

export const driverToVhost: CaseGroup = {
  name: 'driver-to-vhost',
  about: "our driver beside DPDK's virtio-user, each sending to DPDK's vhost",
  cases: ringKinds.flatMap((rings) => [64, 1500].map((size) => caseOf(size, rings))),
};
