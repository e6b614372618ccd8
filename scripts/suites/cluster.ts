// SPDX-License-Identifier: Apache-2.0
//
// Runs the tests in the cluster: in the one that is up, or in one for all of them that is started before and ended after. Its
// programs are built here when they are not in the cache, so that this is seen and counts in no test's time.

import { join } from 'node:path';
import { projectRoot, run } from '../main.ts';
import { clusterPeers, missingPeers } from '../packages.ts';
import { runJest } from './jest.ts';
import { addUp, type Outcome } from './outcome.ts';

/** Runs `npm run cluster -- …`; its output is seen when it is `loud`. */
async function cluster(command: string, loud: boolean): Promise<boolean> {
  const { code } = await run(process.execPath, [join(projectRoot, 'test/cluster/main.ts'), command], {
    inherit: loud,
  });
  return code === 0;
}

/** Builds what the stories with the chart install. */
async function buildImage(): Promise<boolean> {
  const { code } = await run('npm', ['run', '--silent', 'image'], { inherit: true });
  return code === 0;
}

const failure: Outcome = { passed: 0, failed: 1, skipped: {} };

export async function runInCluster(rest: readonly string[]): Promise<Outcome> {
  // Programs in the node that a failed story could not end would keep jest waiting for them; they go with the node.
  const options = { arguments: ['--forceExit', ...rest], oneAtATime: true };
  const tests = async (): Promise<Outcome> => runJest('cluster', options);
  // Where there can be no cluster each test says so.
  if (missingPeers(clusterPeers).length > 0) return tests();
  if (!(await buildImage())) return failure;
  const wasUp = await cluster('status', false);
  // One that is up for this checkout is fine, one of another is refused.
  if (!((await cluster('build', true)) && (await cluster('up', true)))) return failure;
  const outcome = await tests();
  if (wasUp) return outcome;
  return (await cluster('down', true)) ? outcome : addUp([outcome, failure]);
}
