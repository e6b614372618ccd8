// SPDX-License-Identifier: Apache-2.0
//
// The classic loop: one source program with two virtio-user ports sends each frame that comes in at one port out at the
// other one; a switch on a core of its own carries them back. The same source for all switches: ours, DPDK's vhost in
// io mode, which knows no addresses, and Open vSwitch with the action NORMAL, which learns them as ours does. The number is frames
// per second and direction, counted by the source.

import { join } from 'node:path';
import { RunningOvs } from '../../test/support/ovs.ts';
import { type PrivateDirectory, privateDirectory } from '../../test/support/private-directory.ts';
import { Testpmd } from '../../test/support/testpmd.ts';
import type { BenchCase, Candidate, CaseGroup, RunContext, Values } from '../case.ts';
import { circulateInOurs } from '../our-switch.ts';
import { circulate, ringFull, type SourceOptions } from '../source-loop.ts';
import { withUndo } from '../undo.ts';

/** virtio-user's default, and the size that throughput is usually measured with. */
const ringSizes = [256, 1024] as const;

type Undo = (step: () => void | Promise<void>) => void;
type Source = Omit<SourceOptions, 'paths'>;

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

function ours(source: Source): Candidate {
  return {
    name: 'usvhost',
    needs: ['dpdk-testpmd'],
    run: run(async (context, { path: directory }, undo) =>
      circulateInOurs(context, source, { directory, undo }),
    ),
  };
}

function theirs(source: Source): Candidate {
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
        ringSize: source.ringSize,
      });
      undo(() => carrier.stop());
      await carrier.startForwarding();
      return circulate(context, { ...source, paths }, undo);
    }),
  };
}

/** Open vSwitch connects: its own listening ports are deprecated. */
function openVswitch(source: Source): Candidate {
  return {
    name: 'ovs-normal',
    needs: ['dpdk-testpmd', 'ovs-vswitchd-dpdk', 'unshare'],
    run: run(async (context, directory, undo) => {
      const busy = { cpu: context.firstCpu, hugepages: context.hugepages };
      const ovs = await RunningOvs.start(directory.path, { busy });
      undo(() => ovs.close());
      const paths = [join(directory.path, 'first.sock'), join(directory.path, 'second.sock')] as const;
      for (const [index, path] of paths.entries()) {
        const options = ['type=dpdkvhostuserclient', `options:vhost-server-path=${path}`];
        const port = `loop${index}`;
        await ovs.ctl('add-port', 'br-usvhost', port, '--', 'set', 'Interface', port, ...options);
      }
      const devargs = [...(source.devargs ?? []), 'server=1'];
      return circulate(context, { ...source, paths, devargs }, undo);
    }),
  };
}

function caseOf(size: number, ringSize: number): BenchCase {
  const source = { ringSize, frames: ringFull(size, ringSize) };
  return {
    name: 'switch-loop',
    params: { size, ring: 'split', queueSize: ringSize },
    metrics: [{ name: '', unit: 'Mpps', better: 'higher' }],
    candidates: [ours(source), theirs(source), openVswitch(source)],
  };
}

export const switchLoop: CaseGroup = {
  name: 'switch-loop',
  about: "our switch beside DPDK's vhost in io mode and Open vSwitch, frames circulating through each",
  cases: ringSizes.flatMap((ringSize) => [64, 1500].map((size) => caseOf(size, ringSize))),
};
