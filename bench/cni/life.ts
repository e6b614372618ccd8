// SPDX-License-Identifier: Apache-2.0
//
// Run inside the walls: `life.ts ROOT`. A node's agent from its start to 250 attachments: how long until a kubelet counts its
// ports, what memory it has, how long a pass of the reconciler takes, and how long until the kubelet hears of a switch that
// was killed. Prints one JSON document; the names are those of the metrics.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, run } from '../../cli/demo/process.ts';
import { main } from '../../scripts/main.ts';
import { FakeApiServer } from '../../test/fakes/api-server.ts';
import { startFakeKubelet } from '../../test/fakes/kubelet.ts';
import { FakePodResources } from '../../test/fakes/pod-resources.ts';
import { withUndo } from '../undo.ts';
import { allocate, bundled, podNamespace, resource, startBenchNode } from './bench-node.ts';
import { plugins } from './plugins.ts';

const attachments = 250;
/** Long enough for two passes of a second each. */
const passesMillis = 2500;
const metricsUrl = 'http://127.0.0.1:9808/metrics';

type Undo = Parameters<Parameters<typeof withUndo>[0]>[0];

interface FullNode {
  readonly 'switch-loss-seen': number;
  readonly 'agent-rss-250': number;
  readonly 'reconcile-250': number;
}

/** From the start of the process to the first list of devices. The switch may be away. */
async function registeredMillis(root: string): Promise<number> {
  return withUndo(async (undo) => {
    mkdirSync(root);
    const kubelet = await startFakeKubelet({ root });
    undo(() => kubelet.close());
    const start = performance.now();
    const agent = new Child('usvhost agent', bundled('agent', '--root', root), {
      env: { USVHOST_NODE: process.execPath },
    });
    undo(() => agent.stop().then(() => undefined));
    await agent.whileRunning(kubelet.capacity(resource));
    return performance.now() - start;
  });
}

/** Sum and number of the passes so far. */
async function passes(): Promise<{ readonly seconds: number; readonly count: number }> {
  const text = await (await fetch(metricsUrl)).text();
  const value = (suffix: string): number =>
    Number(new RegExp(`^usvhost_reconciler_pass_duration_seconds_${suffix} (\\S+)$`, 'm').exec(text)?.[1]);
  return { seconds: value('sum'), count: value('count') };
}

/** An API server that has the pods, each as large as an ordinary one. */
async function apiServer(directory: string, undo: Undo): Promise<FakeApiServer> {
  const api = await FakeApiServer.start(directory);
  undo(() => api.close());
  const env = Array.from({ length: 100 }, (_, n) => ({ name: `VARIABLE_${n}`, value: 'x'.repeat(50) }));
  const resources = { limits: { [resource]: '1' } };
  for (let n = 0; n < attachments; n++)
    api.put(`pod-${n}`, { spec: { containers: [{ name: 'c', image: 'app', env, resources }] } });
  return api;
}

/** `withApi`: the agent also talks to an API server. */
async function fullNode(root: string, withApi: boolean): Promise<FullNode> {
  return withUndo(async (undo) => {
    mkdirSync(root);
    const api = withApi ? await apiServer(join(root, 'api'), undo) : undefined;
    const env = {
      USVHOST_AGENT_PORTS: '256',
      USVHOST_AGENT_RECONCILE_SECONDS: '1',
      USVHOST_AGENT_METRICS_ADDRESS: '127.0.0.1',
      ...(api === undefined
        ? {}
        : { USVHOST_AGENT_KUBECONFIG: api.kubeconfig, USVHOST_AGENT_NODE_NAME: 'node-1' }),
    };
    const kubelet = await FakePodResources.start(root);
    undo(() => kubelet.stop());
    const node = await startBenchNode(root, undo, env);
    const netns = await podNamespace(undo);
    for (let n = 0; n < attachments; n++) {
      const device = await allocate(node);
      kubelet.add('bench', `pod-${n}`, [device]);
      const network = { ...plugins.usvhost.withoutIpam(`10.9.1.${n}/16`, device), endpoint: 'socket' };
      await run([plugins.usvhost.file], {
        env: {
          USVHOST_ROOT: root,
          CNI_COMMAND: 'ADD',
          CNI_CONTAINERID: `bench-${n}`,
          CNI_NETNS: netns,
          CNI_IFNAME: 'net1',
          CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME=pod-${n};K8S_POD_UID=uid-pod-${n}`,
        },
        stdin: JSON.stringify(network),
      });
    }
    const before = await passes();
    await sleep(passesMillis);
    const after = await passes();
    const rollup = readFileSync(`/proc/${node.agent.pid}/smaps_rollup`, 'utf8');
    const healthy = (): boolean => [...(node.kubelet.devices(resource)?.values() ?? [])].includes('Healthy');
    const killed = performance.now();
    await node.killSwitch();
    await node.kubelet.until(() => !healthy(), 'unhealthy ports');
    if (api !== undefined && api.watches !== 1) throw new Error('the agent does not watch its pods');
    return {
      'switch-loss-seen': performance.now() - killed,
      'agent-rss-250': (Number(/^Rss:\s+(\d+) kB/m.exec(rollup)?.[1]) * 1024) / 1e6,
      'reconcile-250': ((after.seconds - before.seconds) / (after.count - before.count)) * 1000,
    };
  });
}

await main(async () => {
  const [root = ''] = process.argv.slice(2);
  await run(['ip', 'link', 'set', 'lo', 'up']);
  const registered = await registeredMillis(join(root, 'a'));
  const alone = await fullNode(join(root, 'b'), false);
  const together = await fullNode(join(root, 'c'), true);
  const figures = { registered, ...alone, 'agent-rss-250-api': together['agent-rss-250'] };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  return 0;
});
