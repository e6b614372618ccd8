// SPDX-License-Identifier: Apache-2.0
//
// The switch's pollMode reaches its data thread: one that may sleep does, one that may not does not.

import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { switchConfigSchema } from '../../../lib/config/switch.ts';
import { NativeSwitch, type PollMode } from '../../../native/index.ts';
import { eventually } from '../../support/eventually.ts';
import { privateDirectory } from '../../support/private-directory.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

function start(pollMode: PollMode, idleMicros: number): NativeSwitch {
  const directory = privateDirectory();
  undo.push(() => directory.remove());
  const { root: _, ...config } = switchConfigSchema.parse({ pollMode, idleMicros });
  const native = new NativeSwitch({ ...config, statsFile: join(directory.path, 'stats') }, () => undefined);
  undo.push(() => native.close());
  return native;
}

test('each mode sleeps as it says', async () => {
  const poll = start('poll', 0);
  const adaptive = start('adaptive', 0);
  const interrupt = start('interrupt', 1_000_000);
  await eventually(
    () => [adaptive.sleeps(), interrupt.sleeps()],
    (sleeps) => sleeps.every((count) => count > 0),
    'two data threads that have slept',
  );
  expect(poll.sleeps()).toBe(0);
});

test('another word never gets to a data thread', () => {
  expect(() => switchConfigSchema.parse({ pollMode: 'busy' })).toThrow();
  expect(() => start('busy' as PollMode, 0)).toThrow();
});
