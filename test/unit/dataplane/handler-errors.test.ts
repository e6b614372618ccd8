// SPDX-License-Identifier: Apache-2.0
//
// The log of a handler that throws for every frame stays short.

import { expect, test } from '@jest/globals';
import { HandlerErrors } from '../../../dataplane/handler-errors.ts';

function telling(): { readonly errors: HandlerErrors; readonly said: string[] } {
  const said: string[] = [];
  const log = { info: () => undefined, warn: () => undefined, error: (text: string) => void said.push(text) };
  return { errors: new HandlerErrors(log), said };
}

test('one line a kind, whatever numbers are in it', () => {
  const { errors, said } = telling();
  for (let n = 0; n < 100; n++) errors.tell(new RangeError(`port ${n}`));
  errors.tell('text');
  errors.tell(undefined);
  expect(said.map((line) => line.split('\n')[0])).toEqual([
    'onBurst() threw, its frames are dropped; said once: RangeError: port 0',
    'onBurst() threw, its frames are dropped; said once: text',
    'onBurst() threw, its frames are dropped; said once: undefined',
  ]);
});

test('thirty-two kinds, then one last word', () => {
  const { errors, said } = telling();
  const letters = Array.from({ length: 100 }, (_, n) => String.fromCharCode(0x4e00 + n));
  for (const letter of letters) errors.tell(new Error(letter));
  expect(said).toHaveLength(33);
  expect(said.at(-1)).toContain('no further kinds');
});
