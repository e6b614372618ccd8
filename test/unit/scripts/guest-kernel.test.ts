// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { kernelPackage } from '../../../scripts/guest-kernel.ts';

test('reads package and version from what apt says of the meta package', () => {
  const said = [
    'Package: linux-image-cloud-amd64',
    'Version: 6.1.192-2',
    'Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), other (>= 1)',
    'Filename: pool/main/l/linux.deb',
  ].join('\n');
  expect(kernelPackage(said)).toEqual({ name: 'linux-image-6.1.0-56-cloud-amd64', version: '6.1.192-2' });
});

test.each(['', 'Package: linux-image-cloud-amd64\nDepends: linux-base (>= 4.3)\n'])(
  'finds none in %j',
  (said) => {
    expect(kernelPackage(said)).toBeUndefined();
  },
);
