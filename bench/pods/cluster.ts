// SPDX-License-Identifier: Apache-2.0
//
// The test cluster for a benchmark: the one that is up, or one that goes with it.

import { usvFailure } from '../../lib/errors.ts';
import { buildHelm } from '../../scripts/helm.ts';
import { projectRoot, run } from '../../scripts/main.ts';
import { down, isUp, up } from '../../test/cluster/cluster.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Returns when pods can be made and the image of this checkout is built. */
export async function usesCluster(onUndo: (step: () => Promise<unknown>) => void): Promise<void> {
  const { code, output } = await run('npm', ['run', '--silent', 'image']);
  if (code !== 0)
    throw usvFailure('USV_IO', `npm run image in ${projectRoot} ended with status ${code}:\n${output}`);
  await buildHelm();
  if (isUp()) return;
  onUndo(async () => down(say));
  await up(say);
}
