// SPDX-License-Identifier: Apache-2.0
//
// The run that most interop tests make: our driver sends frames with a pattern, the other side sends them back with
// swapped addresses, and every byte of what returns is compared.

import type { DriverOffers } from '../../native/index.ts';
import { eventually } from '../support/eventually.ts';
import { RunningDriver } from '../support/running.ts';
import { type Account, driverStation, Ledger, type Station } from './ledger.ts';

export const ourMac = '02:00:00:00:00:0a';
export const peerMac = '02:00:00:00:00:0b';
/** Frames that must come back. */
export const wantedFrames = 5000;

export interface EchoAccount extends Account {
  readonly corrupted: number;
  readonly foreign: number;
}

/** A driver that sends verified frames to the peer once it is told to run. */
export function verifyingDriver(options: {
  readonly path: string;
  readonly queueSize: number;
  readonly size: number;
  readonly server?: boolean;
  readonly offers?: Partial<DriverOffers>;
  /** Default: 1. */
  readonly queuePairs?: number;
}): RunningDriver {
  const { path, queueSize, size, server = false, offers = {}, queuePairs = 1 } = options;
  const addresses = { sourceMac: ourMac, destinationMac: peerMac };
  const traffic = { size, limit: 0, verify: true, running: false, ...addresses };
  const engine = { kind: 'txonly', ...traffic } as const;
  return new RunningDriver({ path, server, queueSize, queuePairs, offers, engine });
}

/** Sends until `frames` more have come back. */
export async function exchange(driver: RunningDriver, frames: number): Promise<void> {
  const wanted = driver.metric('received') + frames;
  driver.setRunning(true);
  try {
    const received = (): number => driver.metric('received');
    await eventually(received, (count) => count >= wanted, `${wanted} frames back`, { stepMillis: 1 });
  } finally {
    driver.setRunning(false);
  }
}

/**
 * Lets `act` move frames between the driver and what echoes them, and closes the account when the last one has arrived or
 * is named as lost. `stations`: where frames may be lost, besides the driver.
 */
export async function accountOf(
  driver: RunningDriver,
  stations: readonly Station[],
  act: () => Promise<void>,
): Promise<EchoAccount> {
  const names = ['sent', 'received', 'corrupted', 'foreign'] as const;
  const counts = () => names.map((name) => driver.metric(name));
  const before = counts();
  const since = (): EchoAccount => {
    const [sent = 0, received = 0, corrupted = 0, foreign = 0] = counts().map(
      (value, index) => value - (before[index] ?? 0),
    );
    return { sent, received, corrupted, foreign, losses: {} };
  };
  const ledger = await Ledger.open(driverStation(driver), ...stations);
  await act();
  const { losses } = await ledger.balanced(since);
  return { ...since(), losses };
}

/**
 * As accountOf, on a way whose losses nobody names to us at once: what did not come back counts under `unnamed`, when nothing
 * moves any more.
 */
export async function tallyOf(
  driver: RunningDriver,
  unnamed: string,
  act: () => Promise<void>,
): Promise<EchoAccount> {
  const station: Station = async () => {
    const known = Object.values(await driverStation(driver)()).reduce((sum, count) => sum + count, 0);
    return { [unnamed]: driver.metric('sent') - driver.metric('received') - known };
  };
  return accountOf(driver, [station], act);
}

/** Connects a driver of its own, and exchanges frames once `ready` says that the way is open. */
export async function echo(options: {
  readonly path: string;
  readonly queueSize: number;
  readonly size: number;
  readonly offers?: Partial<DriverOffers>;
  readonly stations: readonly Station[];
  /** Once the link is up; waits until the way is open. */
  readonly ready?: (driver: RunningDriver) => void | Promise<void>;
}): Promise<EchoAccount> {
  const driver = verifyingDriver(options);
  try {
    await driver.linkUp();
    await options.ready?.(driver);
    return await accountOf(driver, options.stations, () => exchange(driver, wantedFrames));
  } finally {
    driver.close();
  }
}
