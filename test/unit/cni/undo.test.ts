// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { UndoStack } from '../../../cni/undo.ts';

test('undoes newest first, goes on after a failure and reports it', async () => {
  const done: string[] = [];
  const undo = new UndoStack();
  const step = (name: string) => async () => {
    done.push(name);
    if (name === 'b') throw new Error('stuck');
  };
  for (const name of ['a', 'b', 'c']) undo.push(name, step(name));
  expect(await undo.run()).toEqual([{ what: 'b', error: new Error('stuck') }]);
  expect(done).toEqual(['c', 'b', 'a']);
  expect(await undo.run()).toEqual([]);
});
