// SPDX-License-Identifier: Apache-2.0
//
// Our driver as front-end of DPDK's vhost: our driver → testpmd, which swaps the addresses → our driver.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { Testpmd } from '../support/testpmd.ts';
import { echo, frameSizes, wantedFrames } from './echo.ts';
import { printedRows, testpmdStation } from './ledger.ts';

const row = printedRows();

groupNeeds('dpdk-testpmd')('net_vhost', () => {
  const directory = privateDirectory();
  const path = join(directory.path, 'vhost.sock');
  let testpmd: Testpmd | undefined;

  beforeAll(async () => {
    testpmd = await Testpmd.start({ ports: [{ kind: 'vhost', path }], forward: 'macswap' });
    await testpmd.startForwarding();
  }, 60_000);

  afterAll(async () => {
    await testpmd?.stop();
    directory.remove();
  });

  const cases = [256, 1024].flatMap((queueSize) => frameSizes.map((size) => [queueSize, size] as const));
  test.each(cases)(
    'queue size %i: %i bytes come back whole, missing frames named',
    async (queueSize, size) => {
      if (testpmd === undefined) throw new Error('testpmd has not started');
      const account = await echo({ path, queueSize, size, stations: [testpmdStation(testpmd)] });
      row(`vhost, queue_size=${queueSize}, ${size} B`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
      expect(account.received).toBeGreaterThanOrEqual(wantedFrames);
    },
  );
});
