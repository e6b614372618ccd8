// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { cacheDirectory } from '../../cluster/paths.ts';

test('the cache lies outside of the repository, in the directory that the user names', () => {
  const directory = cacheDirectory({ XDG_CACHE_HOME: '/somewhere' });
  expect(directory).toMatch(/^\/somewhere\/usvhost\/cluster\/[0-9a-f]{16}$/);
  expect(cacheDirectory({ XDG_CACHE_HOME: '/somewhere' })).toBe(directory);
  expect(cacheDirectory({})).toMatch(/\/\.cache\/usvhost\/cluster\/[0-9a-f]{16}$/);
});
