// SPDX-License-Identifier: Apache-2.0
//
// A port of testpmd that is stopped and started in the middle of traffic.

import type { RunningDriver } from '../support/running.ts';
import type { Testpmd } from '../support/testpmd.ts';
import { exchange, wantedFrames } from './echo.ts';

/** Frames, the port away and back while frames go on, frames. */
export async function restartPort(testpmd: Testpmd, driver: RunningDriver): Promise<void> {
  await exchange(driver, wantedFrames);
  driver.setRunning(true);
  for (const command of ['stop', 'port stop 0', 'port start 0', 'start']) await testpmd.command(command);
  await exchange(driver, wantedFrames);
}
