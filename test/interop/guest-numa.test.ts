// SPDX-License-Identifier: Apache-2.0
//
// Memory on the NUMA node of the CPU that works on it, on a machine with two nodes: a guest, which runs the native test there.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildDirectory } from '../../scripts/build-native.ts';
import { groupNeeds } from '../support/need.ts';
import { type PrivateDirectory, privateDirectory } from '../support/private-directory.ts';
import { Guest } from './guest/guest.ts';

const timeout = 180_000;

groupNeeds(
  'qemu-system-x86_64',
  'a kernel for guests',
  'busybox',
  'iperf3',
  'doctest',
)('two NUMA nodes', () => {
  let directory: PrivateDirectory;
  let guest: Guest | undefined;

  beforeAll(async () => {
    directory = privateDirectory();
    const programs = [join(buildDirectory('native'), 'unit_tests')];
    guest = await Guest.boot({ directory: directory.path, cpus: 2, numa: true, programs });
  }, timeout);

  afterAll(async () => {
    await guest?.shutDown();
    directory.remove();
  }, timeout);

  test(
    'the pages of a segment come from the node of the CPU that is named',
    async () => {
      await expect(guest?.run('cat /sys/devices/system/node/online')).resolves.toContain('0-1');
      await guest?.run('mkdir /dev/shm && mount -t tmpfs none /dev/shm');
      const said = await guest?.run('/unit_tests --no-colors --test-case="*NUMA node of the CPU*"');
      expect(said).toMatch(/test cases: +1 \| +1 passed/);
    },
    timeout,
  );
});
