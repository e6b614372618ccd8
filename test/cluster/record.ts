// SPDX-License-Identifier: Apache-2.0
//
// What is known of a cluster from its start to its end, as a file, so that a later process can enter it or end it, also when the
// one that started it was killed half way.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { isAlive } from './host/sandbox.ts';
import { clusterName, clustersDirectory, stateDirectory } from './paths.ts';

const schema = z.object({
  cache: z.string(),
  /** Top folder of the checkout whose cluster it is. */
  checkout: z.string(),
  init: z.optional(
    z.object({ pid: z.number(), startedAt: z.string(), namespaces: z.array(z.string()).readonly() }),
  ),
  /** Pods can be made. */
  ready: z.boolean(),
});
export type ClusterRecord = z.output<typeof schema>;

const fileOf = (name: string): string => join(stateDirectory(name), 'cluster.json');

/** Undefined when there is no cluster, not even half a one. @throws ZodError, SyntaxError for a file of somebody else */
export function readRecord(name: string = clusterName()): ClusterRecord | undefined {
  const file = fileOf(name);
  return existsSync(file) ? schema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
}

export function writeRecord(record: ClusterRecord): void {
  const name = clusterName();
  mkdirSync(stateDirectory(name), { recursive: true, mode: 0o700 });
  writeFileSync(fileOf(name), JSON.stringify(record));
}

/** Names of the machine's other clusters whose first process lives. Whoever asks holds the lock: none is half started. */
export function otherClusters(): string[] {
  if (!existsSync(clustersDirectory)) return [];
  return readdirSync(clustersDirectory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== clusterName())
    .map(({ name }) => name)
    .filter((name) => {
      const init = readRecord(name)?.init;
      return init !== undefined && isAlive(init);
    });
}
