// SPDX-License-Identifier: Apache-2.0
//
// Frames that circulate, by the source that is asked for.

import type { RunContext } from './case.ts';
import { circulateByOurs } from './own-source.ts';
import type { Circulated, SourceName, SourceOptions, Undo } from './source.ts';
import { circulateByTestpmd } from './testpmd-source.ts';

type Source = (context: RunContext, options: SourceOptions, undo: Undo) => Promise<Circulated>;

const sources: Readonly<Record<SourceName, Source>> = {
  testpmd: circulateByTestpmd,
  usvhost: circulateByOurs,
};

/**
 * Lets frames circulate: millions of them that come back per second and direction as '', and what else `sourceMetrics` names.
 * @throws UsvhostError USV_IO when the source fails
 */
export async function circulate(
  context: RunContext,
  by: SourceName,
  options: SourceOptions,
  undo: Undo,
): Promise<Circulated> {
  return sources[by](context, options, undo);
}
