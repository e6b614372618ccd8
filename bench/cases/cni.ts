// SPDX-License-Identifier: Apache-2.0
//
// What a pod's start pays for the CNI plugin: the start of the binary alone (VERSION), ADD and DEL of one attachment with
// host-local addresses, and of 16 at the same time without an address plugin, our agent and switch running, beside Debian's
// bridge and loopback. And what the agent itself needs of time and memory.

import { fileURLToPath } from 'node:url';
import * as z from 'zod/mini';
import { run } from '../../cli/demo/process.ts';
import type { PeerName } from '../../scripts/packages.ts';
import { privateDirectory } from '../../test/support/private-directory.ts';
import type { Candidate, CaseGroup, Metric, RunContext } from '../case.ts';
import { type PluginName, plugins } from '../cni/plugins.ts';
import { insideWalls } from '../cni/walls.ts';
import { quantile } from '../statistics.ts';
import { withUndo } from '../undo.ts';

const burstModule = fileURLToPath(new URL('../cni/burst.ts', import.meta.url));
const attachModule = fileURLToPath(new URL('../cni/attach.ts', import.meta.url));
const times = z.array(z.number()).check(z.minLength(1));
const lifeModule = fileURLToPath(new URL('../cni/life.ts', import.meta.url));
const lifeValues = z.record(z.string(), z.number());
const attachTimes = z.strictObject({
  add: times,
  del: times,
  cpu: z._default(z.record(z.string(), z.number()), {}),
});

const starts = 200;
/** Starts a program so many times from a shell, whose fork is cheap; all of them pay for it. */
const startLoop = `i=0; while [ $i -lt ${starts} ]; do "$0" </dev/null >/dev/null || exit 1; i=$((i + 1)); done`;

/** Milliseconds from fork to the end of the program. */
async function startMillis(file: string): Promise<number> {
  const start = performance.now();
  await run(['sh', '-c', startLoop, file], { env: { CNI_COMMAND: 'VERSION' } });
  return (performance.now() - start) / starts;
}

function starting(name: string, file: string, needs: readonly PeerName[], partial = false): Candidate {
  return { name, needs, partial, run: async () => ({ '': await startMillis(file) }) };
}

/** `perSecond`: how often for each second of a run. */
function attaching(
  name: PluginName,
  module: string,
  needs: readonly PeerName[],
  perSecond: number,
): Candidate {
  return {
    name,
    needs: ['unshare', ...needs],
    run: ({ seconds, stop }: RunContext) =>
      withUndo(async (undo) => {
        const directory = privateDirectory();
        undo(() => directory.remove());
        const count = String(Math.max(10, Math.round(seconds * perSecond)));
        const { add, del, cpu } = attachTimes.parse(
          await insideWalls(stop, module, name, count, directory.path),
        );
        return {
          'add-p50': quantile(add, 0.5),
          'add-p99': quantile(add, 0.99),
          'del-p50': quantile(del, 0.5),
          'del-p99': quantile(del, 0.99),
          ...cpu,
        };
      }),
  };
}

const oneByOne = (name: PluginName): Candidate => attaching(name, attachModule, ['host-local'], 30);
const together = (name: PluginName): Candidate => attaching(name, burstModule, ['host-local', 'bash'], 10);

const life: Candidate = {
  name: 'usvhost',
  needs: ['unshare', 'ip', 'openssl'],
  run: ({ stop }) =>
    withUndo(async (undo) => {
      const directory = privateDirectory();
      undo(() => directory.remove());
      return lifeValues.parse(await insideWalls(stop, lifeModule, directory.path));
    }),
};

const lifeMetrics: readonly Metric[] = [
  { name: 'registered', unit: 'ms', better: 'lower' },
  { name: 'switch-loss-seen', unit: 'ms', better: 'lower' },
  { name: 'agent-rss-250', unit: 'MB', better: 'lower' },
  { name: 'agent-rss-250-api', unit: 'MB', better: 'lower' },
  { name: 'reconcile-250', unit: 'ms', better: 'lower' },
];

const attachMetrics: readonly Metric[] = ['add-p50', 'add-p99', 'del-p50', 'del-p99'].map((name) => ({
  name,
  unit: 'ms',
  better: 'lower',
}));

/** CPU time of an ADD: of all that takes part, and our daemons' part of that. */
const cpuMetrics: readonly Metric[] = ['add-cpu', 'add-cpu-daemons'].map((name) => ({
  name,
  unit: 'ms',
  better: 'lower',
}));

export const cni: CaseGroup = {
  name: 'cni',
  about:
    "our CNI plugin beside Debian's bridge and loopback: start, ADD and DEL; the agent's times and memory",
  cases: [
    {
      name: 'cni',
      params: { command: 'VERSION' },
      metrics: [{ name: '', unit: 'ms', better: 'lower' }],
      candidates: [
        starting('usvhost', plugins.usvhost.file, []),
        starting('bridge', plugins.bridge.file, ['host-local']),
        starting('loopback', plugins.loopback.file, ['host-local']),
        // The floor: what any program pays.
        starting('true', plugins.true.file, [], true),
      ],
    },
    {
      name: 'cni',
      params: { command: 'ADD, DEL' },
      metrics: attachMetrics,
      candidates: [oneByOne('usvhost'), oneByOne('bridge'), oneByOne('loopback')],
    },
    {
      name: 'cni',
      params: { command: 'ADD, DEL', parallel: 16 },
      metrics: [...attachMetrics, ...cpuMetrics],
      candidates: [
        together('usvhost'),
        together('bridge'),
        together('loopback'),
        { ...together('true'), partial: true },
      ],
    },
    { name: 'cni', params: { daemon: 'agent' }, metrics: lifeMetrics, candidates: [life] },
  ],
};
