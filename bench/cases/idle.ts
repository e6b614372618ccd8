// SPDX-License-Identifier: Apache-2.0
//
// What a switch costs while nothing happens, and how late the first frame after idle is: two of our drivers connected and
// silent, then one echo request each 20 ms. Ours is the whole process `usvhost switch`, Node included; the peer is DPDK's
// vhost in io mode, which polls. Our dataplane's memory is taken from a process of its own.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { project } from '../../cli/demo/node.ts';
import { Child, type ChildOptions } from '../../cli/demo/process.ts';
import { hostPaths } from '../../lib/names.ts';
import { controlClient } from '../../test/contract/switch/control-client.ts';
import { eventually } from '../../test/support/eventually.ts';
import { privateDirectory } from '../../test/support/private-directory.ts';
import { RunningDriver } from '../../test/support/running.ts';
import { Testpmd } from '../../test/support/testpmd.ts';
import type { Candidate, CaseGroup, Metric, RunContext, Values } from '../case.ts';
import { cpuMillis } from '../cpu-time.ts';
import { withUndo } from '../undo.ts';

const queueSize = 256;
const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
const ips = ['10.0.0.1', '10.0.0.2'] as const;
const intervalMillis = 20;

const metrics: readonly Metric[] = [
  { name: 'switch-cpu', unit: '% of a core', better: 'lower' },
  { name: 'first-frame-rtt-p50', unit: 'µs', better: 'lower' },
  { name: 'first-frame-rtt-p99', unit: 'µs', better: 'lower' },
  { name: 'first-frame-rtt-max', unit: 'µs', better: 'lower' },
  { name: 'switch-rss', unit: 'MB', better: 'lower' },
  { name: 'dataplane-rss', unit: 'MB', better: 'lower' },
  { name: 'dataplane-private-dirty', unit: 'MB', better: 'lower' },
];

/** The daemons as an image runs them: bundled, by the launcher (npm run bundle). */
function bundled(options: ChildOptions, ...args: readonly string[]): Child {
  const env = { USVHOST_NODE: process.execPath };
  return new Child(`usvhost ${args[0]}`, [join(project, 'build/bundle/usvhost'), ...args], {
    ...options,
    env,
  });
}

type Undo = (step: () => void | Promise<void>) => void;

/** A line of smaps_rollup, in MB of 10^6 bytes. */
function megabytes(pid: number, line: 'Rss' | 'Private_Dirty'): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return (Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) * 1024) / 1e6;
}

/** CPU share while two drivers are connected and silent, then round trips with a pause before each. */
async function idleAndPing(
  context: RunContext,
  paths: readonly [string, string],
  pid: number,
): Promise<Values> {
  return withUndo(async (undo) => {
    const answering = { kind: 'responder', mac: macs[1], ip: ips[1] } as const;
    const responder = new RunningDriver({ path: paths[1], queueSize, engine: answering });
    undo(() => responder.close());
    const silent = new RunningDriver({
      path: paths[0],
      queueSize,
      engine: { kind: 'responder', mac: macs[0], ip: ips[0] },
    });
    undo(() => silent.close());
    await responder.linkUp();
    await silent.linkUp();
    const [cpu, start] = [cpuMillis(pid), performance.now()];
    await context.wait(context.seconds);
    const share = ((cpuMillis(pid) - cpu) / (performance.now() - start)) * 100;
    silent.close();

    const count = Math.max(5, Math.round((context.seconds * 1000) / intervalMillis));
    const ping = new RunningDriver({
      path: paths[0],
      queueSize,
      engine: {
        kind: 'ping',
        mac: macs[0],
        source: ips[0],
        destination: ips[1],
        count,
        intervalMillis,
        timeoutMillis: 1000,
      },
    });
    undo(() => ping.close());
    await ping.linkUp();
    const done = (): boolean => ping.metric('done') === 1;
    const millis = count * intervalMillis + 10_000;
    await eventually(done, (value) => value, `${count} answers`, { millis, stepMillis: 50 });
    return {
      'switch-cpu': share,
      'first-frame-rtt-p50': ping.metric('rtt_p50_us'),
      'first-frame-rtt-p99': ping.metric('rtt_p99_us'),
      'first-frame-rtt-max': ping.metric('rtt_max_us'),
    };
  });
}

/** A dataplane process on a port, once it runs. */
async function startDataplane(path: string, undo: Undo): Promise<Child> {
  const running = Promise.withResolvers<void>();
  const child = bundled(
    { onLine: () => running.resolve() },
    ...['dataplane', '--port', `net_virtio_user0,path=${path}`, '--report-millis', '100'],
    ...['--engine', 'responder', '--mac', '02:00:00:00:00:03', '--ip', '10.0.0.3'],
  );
  undo(() => child.stop().then(() => undefined));
  await child.whileRunning(running.promise);
  return child;
}

const ours: Candidate = {
  name: 'usvhost',
  needs: [],
  run: (context) =>
    withUndo(async (undo) => {
      const directory = privateDirectory();
      undo(() => directory.remove());
      const root = directory.path;
      const paths = hostPaths(root);
      const child = bundled({}, 'switch', '--root', root);
      undo(() => child.stop().then(() => undefined));
      const listening = (): boolean => existsSync(paths.switchSocket);
      await child.whileRunning(eventually(listening, (is) => is, 'the switch listening'));
      const client = controlClient(paths.switchSocket);
      undo(() => client.close());
      for (const name of ['first', 'second', 'third']) await client.addPort({ name });
      const sockets = [paths.portSocket('first'), paths.portSocket('second')] as const;
      const values = await idleAndPing(context, sockets, child.pid);
      const dataplane = await startDataplane(paths.portSocket('third'), undo);
      return {
        ...values,
        'switch-rss': megabytes(child.pid, 'Rss'),
        'dataplane-rss': megabytes(dataplane.pid, 'Rss'),
        'dataplane-private-dirty': megabytes(dataplane.pid, 'Private_Dirty'),
      };
    }),
};

const theirs: Candidate = {
  name: 'testpmd-vhost-io',
  needs: ['dpdk-testpmd'],
  run: (context) =>
    withUndo(async (undo) => {
      const directory = privateDirectory();
      undo(() => directory.remove());
      const paths = [join(directory.path, 'first.sock'), join(directory.path, 'second.sock')] as const;
      const carrier = await Testpmd.start({
        ports: paths.map((path) => ({ kind: 'vhost', path })),
        forward: 'io',
        cpu: context.firstCpu,
        hugepages: context.hugepages,
      });
      undo(() => carrier.stop());
      await carrier.startForwarding();
      return idleAndPing(context, paths, carrier.pid);
    }),
};

export const idle: CaseGroup = {
  name: 'idle',
  about: 'CPU share of a switch without traffic, latency of the first frame after idle, memory',
  cases: [{ name: 'idle', params: {}, metrics, candidates: [ours, theirs] }],
};
