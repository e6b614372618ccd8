// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { describePeers, packages, packagesOf } from '../../../scripts/packages.ts';

test('says what to install, from Debian or elsewhere', () => {
  expect(describePeers(['cmake', 'ping'])).toBe('cmake, ping (apt-get install cmake iputils-ping)');
  expect(describePeers(['runc', 'go'])).toBe('runc, go (apt-get install runc; Go 1.26 of https://go.dev/dl)');
  expect(describePeers(['go'])).toBe('go (Go 1.26 of https://go.dev/dl)');
});

test('names each package once, and none for what Debian lacks', () => {
  expect(packagesOf(['unshare', 'nsenter', 'go'])).toEqual(['util-linux']);
  expect(packages).toContain('runc');
  expect(packages).not.toContain(undefined);
});
