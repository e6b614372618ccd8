// SPDX-License-Identifier: Apache-2.0
//
// Runs the tests in the cluster: in the one that is up, or in one for all of them that is started before and ended after. All of them together
// run in two clusters at a time, since most of a story is waiting for a kubelet. Programs and image are built here, so that this is seen and
// counts in no test's time.

import { join } from 'node:path';
import { projectRoot, run } from '../main.ts';
import { clusterPeers, missingPeers } from '../packages.ts';
import { runJest } from './jest.ts';
import { addUp, type Outcome } from './outcome.ts';

/** Clusters at a time for a run of all stories. */
const lanes = 2;

interface Environment extends Readonly<Record<string, string>> {
  readonly USVHOST_CLUSTER: string;
}

/** Runs `npm run cluster -- …`; its output is seen when it is `loud`. */
async function cluster(command: string, loud: boolean, env: Environment): Promise<boolean> {
  const { code } = await run(process.execPath, [join(projectRoot, 'test/cluster/main.ts'), command], {
    inherit: loud,
    env,
  });
  return code === 0;
}

/** Builds what the stories install. */
async function build(env: Environment): Promise<boolean> {
  const { code } = await run('npm', ['run', '--silent', 'image'], { inherit: true });
  return code === 0 && (await cluster('build', true, env));
}

const failure: Outcome = { passed: 0, failed: 1, skipped: {} };

/** One cluster and the tests in it. */
async function lane(env: Environment, tests: () => Promise<Outcome>): Promise<Outcome> {
  const wasUp = await cluster('status', false, env);
  // One that is up for this checkout is fine, one of another is refused.
  if (!(await cluster('up', true, env))) return failure;
  const outcome = await tests();
  if (wasUp) return outcome;
  return (await cluster('down', true, env)) ? outcome : addUp([outcome, failure]);
}

export async function runInCluster(rest: readonly string[]): Promise<Outcome> {
  const own = process.env['USVHOST_CLUSTER'] || 'default';
  // Programs in the node that a failed story could not end would keep jest waiting for them; they go with the node.
  const options = { arguments: ['--forceExit', ...rest], oneAtATime: true };
  // Where there can be no cluster each test says so.
  if (missingPeers(clusterPeers).length > 0) return runJest('cluster', options);
  if (!(await build({ USVHOST_CLUSTER: own }))) return failure;
  if (rest.length > 0) return lane({ USVHOST_CLUSTER: own }, async () => runJest('cluster', options));
  const shards = Array.from({ length: lanes }, async (_, index) => {
    const number = index + 1;
    const env = { USVHOST_CLUSTER: index === 0 ? own : `${own}-${number}` };
    const shard = [...options.arguments, `--shard=${number}/${lanes}`];
    return lane(env, async () =>
      runJest('cluster', { ...options, arguments: shard, env, report: `cluster-${number}` }),
    );
  });
  return addUp(await Promise.all(shards));
}
