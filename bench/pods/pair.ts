// SPDX-License-Identifier: Apache-2.0
//
// Two pods of one node with the chart installed: each has the cluster's own interface, eth0 on a bridge, and net1 on our switch by
// the injected sidecar. A client and a server of iperf3.

import * as z from 'zod/mini';
import { run } from '../../cli/demo/process.ts';
import { inside } from '../../test/cluster/cluster.ts';
import { importExampleImages } from '../../test/cluster/examples.ts';
import { pod } from '../../test/cluster/pods.ts';
import { Release } from '../../test/cluster/release.ts';
import { addressOf, reaches } from '../../test/cluster/talk.ts';
import { undoAll } from '../../test/cluster/undo.ts';
import { usesCluster } from './cluster.ts';

const image = 'docker.io/library/usvhost-tools:0.1.0';
const asks = { 'usvhost.io/inject': 'true' };
const report = z.object({ end: z.object({ sum_received: z.object({ bits_per_second: z.number() }) }) });

type Interface = 'net1' | 'eth0';

export class Pair {
  readonly release: Release;

  private constructor(release: Release) {
    this.release = release;
  }

  /** Returns when the client reaches the server over our switch. */
  static async make(onUndo: (step: () => Promise<unknown>) => void): Promise<Pair> {
    await usesCluster(onUndo);
    await importExampleImages();
    const pair = new Pair(await Release.install(onUndo));
    const server = pod('server', { image, annotations: asks, command: ['iperf3', '--server'] });
    await pair.release.apply(server, pod('client', { image, annotations: asks }));
    await Promise.all([pair.release.runs('server'), pair.release.runs('client')]);
    await reaches(pair.release, 'client', await addressOf(pair.release, 'server'));
    return pair;
  }

  /** Gbit/s of one TCP stream that the server has received, over one of its interfaces. */
  async tcp(device: Interface, seconds: number): Promise<number> {
    const address = await addressOf(this.release, 'server', device);
    const args = ['--client', address, '--time', String(Math.ceil(seconds)), '--json'];
    const said = await this.release.exec('client', 'iperf3', ...args);
    return report.parse(JSON.parse(said)).end.sum_received.bits_per_second / 1e9;
  }

  /** Milliseconds from the request for a pod to the moment when it is ready; both are kubectl's, whose starts are in it. */
  async start(withPort: boolean): Promise<number> {
    const begin = performance.now();
    await this.release.apply(pod('one', { annotations: withPort ? asks : {} }));
    await this.release.kubectl('wait', '--for=condition=Ready', 'pod/one', '--timeout=60s');
    const millis = performance.now() - begin;
    await this.release.remove('one');
    return millis;
  }

  /** MB by role and kind of memory, the mean of processes of the same role. */
  async memory(): Promise<Record<string, number>> {
    const roles = ['agent', 'switch', 'webhook', 'dataplane'] as const;
    const rows = (await run(inside(['sh', '-c', memoryScript]))).split('\n').map((line) => line.split(' '));
    const mean = (role: string, column: number): number => {
      const values = rows.filter(([name]) => name === role).map((row) => Number(row[column]));
      return values.reduce((sum, each) => sum + each, 0) / values.length / 1000;
    };
    const rss = Object.fromEntries(roles.map((role) => [`${role}-rss`, mean(role, 1)]));
    const daemons = (rss['agent-rss'] ?? 0) + (rss['switch-rss'] ?? 0) + (rss['webhook-rss'] ?? 0);
    return { ...rss, 'daemons-rss': daemons, 'dataplane-private-dirty': mean('dataplane', 2) };
  }
}

/** A line for each process of ours in a container: role, RSS and private dirty memory in kB. */
const memoryScript = String.raw`for directory in /proc/[0-9]*; do
  role=$(tr '\0' ' ' <$directory/cmdline 2>/dev/null | sed -n 's#^[^ ]*node .*/bin/usvhost \([a-z]*\).*#\1#p')
  [ -n "$role" ] || continue
  echo $role $(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' $directory/status) \
    $(sed -n 's/^Private_Dirty:[^0-9]*\([0-9]*\).*/\1/p' $directory/smaps_rollup)
done`;

/** What `make` makes, and how all of it is taken back; at once when it fails. */
export async function prepared<Value>(
  make: (onUndo: (step: () => Promise<unknown>) => void) => Promise<Value>,
): Promise<{ readonly value: Value; readonly undo: () => Promise<void> }> {
  const steps: (() => Promise<unknown>)[] = [];
  const undo = async (): Promise<void> => undoAll(steps);
  try {
    return { value: await make((step) => void steps.push(step)), undo };
  } catch (error) {
    await undo();
    throw error;
  }
}
