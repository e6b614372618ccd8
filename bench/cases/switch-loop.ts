// SPDX-License-Identifier: Apache-2.0
//
// The classic loop: a source program with two virtio-user ports has frames go round through a switch on a core of its own. Two sources, and
// each the same for all switches: ours, DPDK's vhost in io mode, which knows no addresses, and Open vSwitch with the action
// NORMAL, which learns them as ours does. The number is frames per second and direction, counted by the source.

import { join } from 'node:path';
import { run as runCommand } from '../../cli/demo/process.ts';
import { RunningOvs } from '../../test/support/ovs.ts';
import { type PrivateDirectory, privateDirectory } from '../../test/support/private-directory.ts';
import { Testpmd } from '../../test/support/testpmd.ts';
import type { BenchCase, Candidate, CaseGroup, RunContext, Values } from '../case.ts';
import { circulate } from '../circulate.ts';
import { circulateInOurs } from '../our-switch.ts';
import { prepareOurSource } from '../own-source.ts';
import {
  compareCounts,
  type PortCount,
  type SourceName,
  type SourceOptions,
  sourceMetrics,
  sourceNames,
  type Undo,
} from '../source.ts';
import { withUndo } from '../undo.ts';

/** virtio-user's default, and the size that throughput is usually measured with. */
const ringSizes = [256, 1024] as const;

type Source = Omit<SourceOptions, 'paths'> & { readonly by: SourceName };

const needsOf = ({ by }: Source): Candidate['needs'] => (by === 'testpmd' ? ['dpdk-testpmd'] : []);

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

function socketsIn({ path }: PrivateDirectory): readonly [string, string] {
  return [join(path, 'first.sock'), join(path, 'second.sock')];
}

function ours(source: Source): Candidate {
  return {
    name: 'usvhost',
    needs: needsOf(source),
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
      const paths = socketsIn(directory);
      const carrier = await Testpmd.start({
        ports: paths.map((path) => ({ kind: 'vhost', path })),
        forward: 'io',
        cpu: context.firstCpu,
        hugepages: context.hugepages,
        ringSize: source.ringSize,
      });
      undo(() => carrier.stop());
      await carrier.startForwarding();
      const circulated = await circulate(context, source.by, { ...source, paths }, undo);
      const stats = await carrier.portStats();
      compareCounts(
        circulated,
        stats.map(({ rxPackets, txPackets }) => ({ sent: rxPackets, received: txPackets })),
      );
      return circulated.values;
    }),
  };
}

/** What Open vSwitch has counted at a port. Its database would have it some seconds later. */
async function ovsCount(directory: PrivateDirectory, port: string): Promise<PortCount> {
  const control = join(directory.path, 'vswitchd.ctl');
  const text = await runCommand(['ovs-appctl', '-t', control, 'dpctl/show', '-s', 'netdev@ovs-netdev']);
  const at = text.slice(text.indexOf(`: ${port} `));
  const packets = (way: 'RX' | 'TX'): number =>
    Number(new RegExp(`${way} packets:(\\d+)`).exec(at)?.[1] ?? Number.NaN);
  return { sent: packets('RX'), received: packets('TX') };
}

/** Open vSwitch connects: its own listening ports are deprecated. */
function openVswitch(source: Source): Candidate {
  return {
    name: 'ovs-normal',
    needs: [...needsOf(source), 'ovs-vswitchd-dpdk', 'unshare'],
    run: run(async (context, directory, undo) => {
      const busy = { cpu: context.firstCpu, hugepages: context.hugepages };
      const ovs = await RunningOvs.start(directory.path, { busy });
      undo(() => ovs.close());
      const paths = socketsIn(directory);
      const ports = paths.map((_, index) => `loop${index}`);
      for (const [index, path] of paths.entries()) {
        const port = ports[index] ?? '';
        const options = ['type=dpdkvhostuserclient', `options:vhost-server-path=${path}`];
        await ovs.ctl('add-port', 'br-usvhost', port, '--', 'set', 'Interface', port, ...options);
      }
      const circulated = await circulate(context, source.by, { ...source, paths, listen: true }, undo);
      compareCounts(circulated, await Promise.all(ports.map((port) => ovsCount(directory, port))));
      return circulated.values;
    }),
  };
}

function caseOf(size: number, ringSize: number, by: SourceName): BenchCase {
  const source: Source = { by, ringSize, frames: [{ bytes: size, parts: 1 }] };
  return {
    name: 'switch-loop',
    params: { size, ring: 'split', queueSize: ringSize, source: by },
    metrics: sourceMetrics,
    prepare: prepareOurSource,
    candidates: [ours(source), theirs(source), openVswitch(source)],
  };
}

export const switchLoop: CaseGroup = {
  name: 'switch-loop',
  about:
    "our switch beside DPDK's vhost in io mode and Open vSwitch, frames of two sources circulating through each",
  cases: sourceNames.flatMap((by) =>
    ringSizes.flatMap((ringSize) => [64, 1500].map((size) => caseOf(size, ringSize, by))),
  ),
};
