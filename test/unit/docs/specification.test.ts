// SPDX-License-Identifier: Apache-2.0
//
// docs/SPECIFICATION.md promises nothing without a test: each row names one that exists.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { hasTest, testsOf, top } from './named-tests.ts';

const tests = testsOf('SPECIFICATION.md');

test('every promise names a test', () => {
  const rows = readFileSync(join(top, 'docs/SPECIFICATION.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| promise'));
  expect(rows.length).toBeGreaterThan(15);
  expect(rows.filter((row) => !/`(?:native\/)?test\/[^`]+` \*/.test(row))).toEqual([]);
});

test.each(tests)('%s has %s', (file, name) => {
  expect(hasTest(file, name)).toBe(true);
});
