// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { usvFailure } from '../../../lib/errors.ts';
import { reportOf } from '../../../lib/report.ts';

test('an error of ours is one line without a stack', () => {
  const { text, exitCode } = reportOf(usvFailure('USV_CONFIG', 'two\nlines'));
  expect(text).toMatch(/^usvhost: USV_CONFIG: two lines\. Correct the field .*\n$/);
  expect(text.match(/\n/g)).toHaveLength(1);
  expect(exitCode).toBe(2);
});

test.each([
  ['an error', new Error('odd'), /^usvhost: USV_INTERNAL: Error: odd\n {4}at /],
  ['anything else', 'text', /^usvhost: USV_INTERNAL: text\n$/],
])('%s is internal', (_name, thrown, expected) => {
  const { text, exitCode } = reportOf(thrown);
  expect(text).toMatch(expected);
  expect(exitCode).toBe(1);
});
