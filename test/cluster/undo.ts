// SPDX-License-Identifier: Apache-2.0
//
// Undo that stands next to do: a list of steps, taken back from its end. What cannot be taken back fails its story, and no other.

import { usvFailure } from '../../lib/errors.ts';
import { requireAll } from '../../scripts/packages.ts';
import { down, up } from './cluster.ts';

export type OnUndo = (step: () => Promise<unknown>) => void;

/** Takes back the newest step first; a failure keeps none of the others from its turn. @throws UsvhostError USV_INTERNAL */
export async function undoAll(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: string[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (error) {
      failures.push(String(error));
    }
  }
  if (failures.length === 0) return;
  // Whoever runs one story by hand wants to look at what it left; a run of all goes on with a new node.
  if (requireAll()) {
    await down(say);
    await up(say);
  }
  throw usvFailure('USV_INTERNAL', `not taken back:\n${failures.join('\n')}`);
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
