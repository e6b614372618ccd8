// SPDX-License-Identifier: Apache-2.0
//
// Our driver as front-end of DPDK's vhost: our driver → testpmd, which swaps the addresses → our driver, in every mode, also
// while testpmd's port is stopped and started.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { groupNeeds } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { Testpmd } from '../support/testpmd.ts';
import { accountOf, echo, verifyingDriver, wantedFrames } from './echo.ts';
import { sizesFor } from './frame-sizes.ts';
import { printedRows, restartedTestpmdStation, testpmdStation } from './ledger.ts';
import { restartPort } from './restarted-port.ts';
import { taken, vhostModes } from './vhost-modes.ts';

const row = printedRows();

for (const { name, queueSize, offers, bufferBytes } of vhostModes) {
  groupNeeds('dpdk-testpmd')(`vhost ${name}`, () => {
    const directory = privateDirectory();
    const path = join(directory.path, 'vhost.sock');
    const started: Testpmd[] = [];

    function running(): Testpmd {
      const [testpmd] = started;
      if (testpmd === undefined) throw new Error('testpmd has not started');
      return testpmd;
    }

    beforeAll(async () => {
      const testpmd = await Testpmd.start({
        ports: [{ kind: 'vhost', path }],
        forward: 'macswap',
        ...(bufferBytes === undefined ? {} : { bufferBytes }),
      });
      started.push(testpmd);
      await testpmd.startForwarding();
    }, 60_000);

    afterAll(async () => {
      await started[0]?.stop();
      directory.remove();
    });

    test.each(sizesFor(offers.mergeable))('%i bytes come back whole, missing frames named', async (size) => {
      const account = await echo({
        ...{ path, queueSize, size, offers, stations: [testpmdStation(running())] },
        ready: ({ features }) => expect(taken(features)).toEqual(offers),
      });
      row(`vhost ${name}, ${size} B`, account);
      expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
      expect(account.received).toBeGreaterThanOrEqual(wantedFrames);
    });

    test('traffic goes on when the port was stopped and started', async () => {
      const testpmd = running();
      const driver = verifyingDriver({ path, queueSize, size: 512, offers });
      try {
        await driver.linkUp();
        const stations = [restartedTestpmdStation(testpmd)];
        const account = await accountOf(driver, stations, () => restartPort(testpmd, driver));
        row(`vhost ${name}, port stopped and started`, account);
        expect(account).toMatchObject({ corrupted: 0, foreign: 0 });
        expect(driver.linksUp).toBe(1);
      } finally {
        driver.close();
      }
    }, 60_000);
  });
}
