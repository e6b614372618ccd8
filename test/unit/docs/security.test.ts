// SPDX-License-Identifier: Apache-2.0
//
// docs/security.md says which test proves what: each of them exists, under the name that stands there, and so does every file.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { filesOf, hasTest, testsOf, top } from './named-tests.ts';

const tests = testsOf('security.md');
const files = filesOf('security.md');

test('there are tests and files to look for', () => {
  expect(tests.length).toBeGreaterThan(50);
  expect(files.length).toBeGreaterThan(40);
});

test.each(tests)('%s has %s', (file, name) => {
  expect(hasTest(file, name)).toBe(true);
});

test.each(files)('%s is there', (file) => {
  expect(existsSync(join(top, file))).toBe(true);
});
