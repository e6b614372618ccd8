// SPDX-License-Identifier: Apache-2.0
//
// The story inside the walls: `main.ts CACHE`. Makes the node's own mounts and network, starts its daemons in the order in which
// they need each other, and says `ready` when pods can be made. Then it stays and keeps the daemons running.

import { join } from 'node:path';
import { run } from '../../../cli/demo/process.ts';
import { main } from '../../../scripts/main.ts';
import { eventually } from '../../support/eventually.ts';
import { containerdSocket, nodeName } from '../names.ts';
import { environmentOf, pathsIn } from '../paths.ts';
import { writeBaseSpec } from './base-spec.ts';
import { daemonCommands } from './daemons.ts';
import { makeMounts } from './mounts.ts';
import { makeNetwork } from './network.ts';
import { Supervisor } from './supervisor.ts';

const startMillis = 180_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

await main(async () => {
  const [, , cache = ''] = process.argv;
  const paths = pathsIn(cache);
  Object.assign(process.env, environmentOf(paths));
  const commands = daemonCommands(paths);
  const node = new Supervisor(paths);
  const kubectl = async (...args: readonly string[]): Promise<string> => run(['kubectl', ...args]);

  await makeMounts();
  await makeNetwork(join(paths.bin, 'cni'));
  say('mounts and network');

  await writeBaseSpec(paths);
  node.start('etcd', commands.etcd);
  node.start('kube-apiserver', commands.apiserver);
  node.start('containerd', commands.containerd);
  await answers('containerd', async () => run(['ctr', '--address', containerdSocket, 'version']));
  for (const image of ['pause', 'busybox']) await importImage(join(paths.images, `${image}.tar`));
  say('containerd with its images');

  // The server lets nobody in without a name, so its health is asked for as an administrator.
  await answers('kube-apiserver', async () => kubectl('get', '--raw', '/readyz'));
  say('etcd and kube-apiserver');

  node.start('kube-controller-manager', commands.controllerManager);
  node.start('kube-scheduler', commands.scheduler);
  node.start('kube-proxy', commands.proxy);
  node.start('kubelet', commands.kubelet);
  await answers('the node', async () =>
    kubectl('wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=5s'),
  );
  say('kubelet: the node is Ready');

  // A pod that is made before its account exists is refused.
  await answers('the default ServiceAccount', async () => kubectl('get', 'serviceaccount', 'default'));
  say('ready');
  return node.forever();
});

async function importImage(file: string): Promise<void> {
  await run(['ctr', '--address', containerdSocket, '-n', 'k8s.io', 'images', 'import', '--local', file]);
}

/** Asks until there is an answer. @throws UsvhostError USV_HANDSHAKE with the last refusal */
async function answers(what: string, ask: () => Promise<unknown>): Promise<void> {
  const attempt = async (): Promise<string> => {
    try {
      await ask();
      return '';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const options = { millis: startMillis, stepMillis: 200 };
  await eventually(attempt, (refusal) => refusal === '', `${what} to answer`, options);
}
