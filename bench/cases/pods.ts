// SPDX-License-Identifier: Apache-2.0
//
// Pods of a real cluster with the chart: TCP over our switch, by the injected sidecars, beside the same two pods over the
// cluster's bridge; what the port costs a pod's start; how long it is from `helm install` to the first link; and memory.

import { clusterPeers } from '../../scripts/packages.ts';
import { pod } from '../../test/cluster/pods.ts';
import { Release } from '../../test/cluster/release.ts';
import { undoAll } from '../../test/cluster/undo.ts';
import type { BenchCase, CaseGroup, Values } from '../case.ts';
import { usesCluster } from '../pods/cluster.ts';
import { Pair, prepared } from '../pods/pair.ts';

const needs = [...clusterPeers, 'iperf3', 'dpdk-testpmd'] as const;

/** A case whose candidates share a pair of pods. */
function ofPair(
  params: BenchCase['params'],
  metrics: BenchCase['metrics'],
  candidates: Readonly<Record<string, (pair: Pair, seconds: number) => Promise<Values>>>,
): BenchCase {
  let pair: Pair | undefined;
  return {
    name: 'pods',
    params,
    metrics,
    prepare: async () => {
      const { value, undo } = await prepared(async (onUndo) => Pair.make(onUndo));
      pair = value;
      return undo;
    },
    candidates: Object.entries(candidates).map(([name, measure]) => ({
      name,
      needs,
      run: async ({ seconds }) => {
        if (pair === undefined) throw new Error('the pair is made before the first run');
        return measure(pair, seconds);
      },
    })),
  };
}

const memoryMetrics = [
  'dataplane-rss',
  'dataplane-private-dirty',
  'agent-rss',
  'switch-rss',
  'webhook-rss',
  'daemons-rss',
].map((name) => ({ name, unit: 'MB', better: 'lower' as const }));

/** Seconds from the image's import and `helm install` to the first pod that is ready with a link. */
async function firstLink(): Promise<Values> {
  const steps: (() => Promise<unknown>)[] = [];
  try {
    const begin = performance.now();
    const release = await Release.install((step) => void steps.push(step));
    await release.apply(pod('first', { annotations: { 'usvhost.io/inject': 'true' } }));
    await release.runs('first');
    return { '': (performance.now() - begin) / 1000 };
  } finally {
    await undoAll(steps);
  }
}

export const pods: CaseGroup = {
  name: 'pods',
  about: 'pods of a real cluster with the chart: TCP beside veth and bridge, start, installation, memory',
  onRequest: true,
  cases: [
    ofPair({ traffic: 'tcp' }, [{ name: '', unit: 'Gbit/s', better: 'higher' }], {
      usvhost: async (pair, seconds) => ({ '': await pair.tcp('net1', seconds) }),
      'veth-bridge': async (pair, seconds) => ({ '': await pair.tcp('eth0', seconds) }),
    }),
    ofPair({ start: 'pod' }, [{ name: '', unit: 'ms', better: 'lower' }], {
      usvhost: async (pair) => ({ '': await pair.start(true) }),
      'no-port': async (pair) => ({ '': await pair.start(false) }),
    }),
    ofPair({ memory: 'containers' }, memoryMetrics, {
      usvhost: async (pair) => pair.memory(),
    }),
    {
      name: 'pods',
      params: { install: 'helm' },
      metrics: [{ name: '', unit: 's', better: 'lower' }],
      prepare: async () => (await prepared(usesCluster)).undo,
      candidates: [{ name: 'usvhost', needs, run: firstLink }],
    },
  ],
};
