// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { cacheDirectory, clusterName, pathsIn, stateDirectory } from '../../cluster/paths.ts';

test('the cache lies outside of the repository, in the directory that the user names', () => {
  const directory = cacheDirectory({ XDG_CACHE_HOME: '/somewhere' });
  expect(directory).toMatch(/^\/somewhere\/usvhost\/cluster\/[0-9a-f]{16}$/);
  expect(cacheDirectory({ XDG_CACHE_HOME: '/somewhere' })).toBe(directory);
  expect(cacheDirectory({})).toMatch(/\/\.cache\/usvhost\/cluster\/[0-9a-f]{16}$/);
});

test('a cluster has the name that the user gives, and a directory of that name', () => {
  expect(clusterName({})).toBe('default');
  expect(clusterName({ USVHOST_CLUSTER: '' })).toBe('default');
  expect(clusterName({ USVHOST_CLUSTER: 'of-fifteen-char' })).toBe('of-fifteen-char');
  expect(pathsIn('/cache', stateDirectory('mine')).pki).toBe('/var/lib/usvhost-clusters/mine/pki');
});

test.each(['..', 'a/b', 'Mine', 'of-sixteen-chars', 'a_b', ' '])('%j is no name of a cluster', (name) => {
  expect(() => clusterName({ USVHOST_CLUSTER: name })).toThrow(
    expect.objectContaining({ code: 'USV_USAGE', message: expect.stringContaining(name) }),
  );
});
