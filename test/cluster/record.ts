// SPDX-License-Identifier: Apache-2.0
//
// What is known of a cluster from its start to its end, as a file, so that a later process can enter it or end it, also when the
// one that started it was killed half way.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { machineStateSchema } from './host/machine-state.ts';
import { stateDirectory } from './paths.ts';

const schema = z.object({
  cache: z.string(),
  machine: machineStateSchema,
  init: z.optional(
    z.object({ pid: z.number(), startedAt: z.string(), namespaces: z.array(z.string()).readonly() }),
  ),
  /** Pods can be made. */
  ready: z.boolean(),
});
export type ClusterRecord = z.output<typeof schema>;

const file = join(stateDirectory, 'cluster.json');

/** Undefined when there is no cluster, not even half a one. @throws ZodError, SyntaxError for a file of somebody else */
export function readRecord(): ClusterRecord | undefined {
  return existsSync(file) ? schema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
}

export function writeRecord(record: ClusterRecord): void {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(record));
}
