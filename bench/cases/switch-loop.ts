// SPDX-License-Identifier: Apache-2.0
//
// The classic loop: one source program with two virtio-user ports sends each frame that comes in at one port out at the
// other one; a switch on a core of its own carries them back. The same source for all switches: ours, DPDK's vhost in
// io mode, which knows no addresses, and Open vSwitch with the action NORMAL, which learns them as ours does. The number is frames
// per second and direction, counted by the source.

import { join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import { RunningOvs } from '../../test/support/ovs.ts';
import { type PrivateDirectory, privateDirectory } from '../../test/support/private-directory.ts';
import { RunningSwitch } from '../../test/support/running.ts';
import { Testpmd } from '../../test/support/testpmd.ts';
import type { BenchCase, Candidate, CaseGroup, RunContext, Values } from '../case.ts';
import { megaframes } from '../rate.ts';
import { withUndo } from '../undo.ts';

/** virtio-user's default, and the size that throughput is usually measured with. */
const ringSizes = [256, 1024] as const;
/** A ring full of frames circulates in each direction. */
const burst = 32;
const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
/** Of the frames carried: more would mean that the switch did not know the addresses and copied to all. */
const floodedShare = 0.001;

type Undo = (step: () => void | Promise<void>) => void;

interface Loop {
  /** Bytes of a frame. */
  readonly size: number;
  readonly ringSize: number;
}

async function circulate(
  context: RunContext,
  loop: Loop,
  options: { readonly paths: readonly [string, string]; readonly listens?: boolean; readonly undo: Undo },
): Promise<Values> {
  const { size, ringSize } = loop;
  const [first, second] = macs;
  const devargs = options.listens === true ? ['server=1'] : [];
  const source = await Testpmd.start({
    ports: options.paths.map((path, index) => ({
      ...({ kind: 'virtio-user', path, mac: macs[index] ?? first, queueSize: ringSize } as const),
      devargs,
    })),
    forward: 'io',
    cpu: context.secondCpu,
    hugepages: context.hugepages,
    ringSize,
    // A frame that leaves by one port is for the other one.
    peerMacs: [second, first],
    frameSize: size,
  });
  options.undo(() => source.stop());
  await source.startForwarding(ringSize / burst);
  const received = async (): Promise<number> =>
    (await source.portStats()).reduce((sum, { rxPackets }) => sum + rxPackets, 0);
  return { '': (await megaframes(context, received)) / macs.length };
}

function run(
  body: (context: RunContext, directory: PrivateDirectory, undo: Undo) => Promise<Values>,
): Candidate['run'] {
  return (context) =>
    withUndo(async (undo) => {
      const directory = privateDirectory();
      undo(() => directory.remove());
      return body(context, directory, undo);
    });
}

function ours(loop: Loop): Candidate {
  return {
    name: 'usvhost',
    needs: ['dpdk-testpmd'],
    run: run(async (context, directory, undo) => {
      const carrier = new RunningSwitch({ directory: directory.path, cpu: context.firstCpu });
      undo(() => carrier.close());
      const names = ['first', 'second'] as const;
      const [first, second] = [carrier.addPort(names[0]), carrier.addPort(names[1])];
      const values = await circulate(context, loop, { paths: [first, second], undo });
      for (const name of names) {
        const { tx_packets: carried = 0, tx_flooded: flooded = 0 } = carrier.port(name).counters;
        if (flooded <= carried * floodedShare) continue;
        const expected = `at most ${floodedShare} of the frames flooded`;
        throw usvFailure('USV_INTERNAL', `expected ${expected}, got ${flooded} of ${carried} at ${name}`);
      }
      return values;
    }),
  };
}

function theirs(loop: Loop): Candidate {
  return {
    name: 'testpmd-vhost-io',
    needs: ['dpdk-testpmd'],
    run: run(async (context, directory, undo) => {
      const paths = [join(directory.path, 'first.sock'), join(directory.path, 'second.sock')] as const;
      const carrier = await Testpmd.start({
        ports: paths.map((path) => ({ kind: 'vhost', path })),
        forward: 'io',
        cpu: context.firstCpu,
        hugepages: context.hugepages,
        ringSize: loop.ringSize,
      });
      undo(() => carrier.stop());
      await carrier.startForwarding();
      return circulate(context, loop, { paths, undo });
    }),
  };
}

/** Open vSwitch connects: its own listening ports are deprecated. */
function openVswitch(loop: Loop): Candidate {
  return {
    name: 'ovs-normal',
    needs: ['dpdk-testpmd', 'ovs-vswitchd-dpdk', 'unshare'],
    run: run(async (context, directory, undo) => {
      const busy = { cpu: context.firstCpu, hugepages: context.hugepages };
      const ovs = await RunningOvs.start(directory.path, { busy });
      undo(() => ovs.close());
      const paths = ['first', 'second'].map((name) => join(directory.path, `${name}.sock`));
      const [first = '', second = ''] = paths;
      for (const [index, path] of paths.entries()) {
        const options = ['type=dpdkvhostuserclient', `options:vhost-server-path=${path}`];
        const port = `loop${index}`;
        await ovs.ctl('add-port', 'br-usvhost', port, '--', 'set', 'Interface', port, ...options);
      }
      return circulate(context, loop, { paths: [first, second], listens: true, undo });
    }),
  };
}

function caseOf(loop: Loop): BenchCase {
  return {
    name: 'switch-loop',
    params: { size: loop.size, ring: 'split', queueSize: loop.ringSize },
    metrics: [{ name: '', unit: 'Mpps', better: 'higher' }],
    candidates: [ours(loop), theirs(loop), openVswitch(loop)],
  };
}

export const switchLoop: CaseGroup = {
  name: 'switch-loop',
  about: "our switch beside DPDK's vhost in io mode and Open vSwitch, frames circulating through each",
  cases: ringSizes.flatMap((ringSize) => [64, 1500].map((size) => caseOf({ size, ringSize }))),
};
