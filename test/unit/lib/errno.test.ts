// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { errnoOf } from '../../../lib/errno.ts';

test('knows the code of a failed system call, though its error is of another realm', () => {
  try {
    readFileSync('/nonexistent/file');
  } catch (error) {
    expect(errnoOf(error)).toBe('ENOENT');
    return;
  }
  throw new Error('expected a failure');
});

test.each([[undefined], [null], ['ENOENT'], [{}], [{ code: 2 }], [new Error('x')]])(
  '%p has no code',
  (value) => {
    expect(errnoOf(value)).toBe('');
  },
);
