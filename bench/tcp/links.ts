// SPDX-License-Identifier: Apache-2.0
//
// Two network namespaces and what joins them: our switch with a dataplane and a tap on each side; DPDK's testpmd in the place of each
// of these; or the kernel's own veth pairs and bridge. Every interface has the same MTU, and what offloads its maker gives it.

import { join } from 'node:path';
import { Child } from '../../cli/demo/process.ts';
import { eventually } from '../../test/support/eventually.ts';
import { privateDirectory } from '../../test/support/private-directory.ts';
import { RunningSwitch } from '../../test/support/running.ts';
import { Testpmd } from '../../test/support/testpmd.ts';
import { Namespace } from './namespace.ts';

type Undo = (step: () => void | Promise<void>) => void;

export const addresses = ['10.0.0.1', '10.0.0.2'] as const;
const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
const launcher = join(import.meta.dirname, '../../build/bundle/usvhost');

type Sides = readonly [Namespace, Namespace];

async function sides(undo: Undo): Promise<Sides> {
  return [await Namespace.make(undo), await Namespace.make(undo)];
}

function pathsIn(undo: Undo): string {
  const directory = privateDirectory();
  undo(() => directory.remove());
  return directory.path;
}

/** Our dataplane as a process on a tap, as a sidecar runs it. */
async function startTap(side: Namespace, index: 0 | 1, socket: string, undo: Undo): Promise<void> {
  await side.run('ip', 'tuntap', 'add', 'dev', 'tap0', 'mode', 'tap');
  await side.run('ip', 'link', 'set', 'tap0', 'address', macs[index]);
  const port = `net_virtio_user0,path=${socket}`;
  const argv = side.enter(launcher, 'dataplane', '--port', port, '--tap', 'tap0');
  const dataplane = new Child('dataplane', argv, { env: { USVHOST_NODE: process.execPath } });
  undo(async () => void (await dataplane.stop()));
  await side.address('tap0', addresses[index]);
}

async function ours(undo: Undo): Promise<Sides> {
  const carrier = new RunningSwitch({ directory: pathsIn(undo) });
  undo(() => carrier.close());
  const both = await sides(undo);
  for (const index of [0, 1] as const) {
    const name = `side${index}`;
    await startTap(both[index], index, carrier.addPort(name), undo);
    await carrier.until(name, 'up');
  }
  return both;
}

/** net_tap and net_virtio_user on each side, two net_vhost between them, all in io mode. */
async function testpmd(undo: Undo): Promise<Sides> {
  const directory = pathsIn(undo);
  const both = await sides(undo);
  const paths = both.map((_, index) => join(directory, `side${index}.sock`));
  const carrier = await Testpmd.start({
    ports: paths.map((path) => ({ kind: 'vhost', path })),
    forward: 'io',
    cpus: 'any',
  });
  undo(() => carrier.stop());
  await carrier.startForwarding();
  for (const index of [0, 1] as const) {
    const pod = await Testpmd.start({
      ports: [
        { kind: 'virtio-user', path: paths[index] ?? '', mac: macs[index], queueSize: 256 },
        { kind: 'tap', device: 'tap0', mac: macs[index] },
      ],
      forward: 'io',
      cpus: 'any',
      enter: both[index].enter(),
    });
    undo(() => pod.stop());
    await pod.startForwarding();
    await both[index].address('tap0', addresses[index]);
  }
  return both;
}

async function bridge(undo: Undo): Promise<Sides> {
  const both = await sides(undo);
  const middle = await Namespace.make(undo);
  await middle.run('ip', 'link', 'add', 'bridge0', 'type', 'bridge');
  await middle.run('ip', 'link', 'set', 'bridge0', 'up');
  for (const index of [0, 1] as const) {
    const end = `side${index}`;
    const peer = ['peer', 'name', 'veth0', 'netns', String(both[index].pid)];
    await middle.run('ip', 'link', 'add', end, 'type', 'veth', ...peer);
    await middle.run('ip', 'link', 'set', end, 'master', 'bridge0', 'up');
    await both[index].address('veth0', addresses[index]);
  }
  return both;
}

/** By name of the candidate. */
export const links: Readonly<Record<string, (undo: Undo) => Promise<Sides>>> = {
  usvhost: ours,
  'testpmd-tap': testpmd,
  'veth-bridge': bridge,
};

/** Returns when the first side reaches the second. */
export async function joined([first]: Sides): Promise<void> {
  const ask = async (): Promise<string> => first.run('sh', '-c', `ping -c 1 -W 1 ${addresses[1]} || true`);
  await eventually(ask, (said) => said.includes(' 1 received'), 'an answer of the other side', {
    millis: 20_000,
  });
}
