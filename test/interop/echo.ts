// SPDX-License-Identifier: Apache-2.0
//
// The run that most interop tests make: our driver sends frames with a pattern, the other side sends them back with
// swapped addresses, and every byte of what returns is compared.

import { eventually } from '../support/eventually.ts';
import { RunningDriver } from '../support/running.ts';
import { type Account, driverStation, Ledger, type Station } from './ledger.ts';

export const ourMac = '02:00:00:00:00:0a';
export const peerMac = '02:00:00:00:00:0b';
/** The sizes at which implementations differ: smallest, one cache line, two, a middle one, largest. */
export const frameSizes = [60, 64, 128, 512, 1514] as const;
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
}): RunningDriver {
  const { path, queueSize, size } = options;
  const addresses = { sourceMac: ourMac, destinationMac: peerMac };
  const traffic = { size, limit: 0, verify: true, running: false, ...addresses };
  return new RunningDriver({ path, queueSize, engine: { kind: 'txonly', ...traffic } });
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

/** Connects, exchanges frames, and closes the account when the last one has arrived or is named as lost. */
export async function echo(options: {
  readonly path: string;
  readonly queueSize: number;
  readonly size: number;
  /** Where frames may be lost, besides our driver. */
  readonly stations: readonly Station[];
  /** Resolves when the way is open. */
  readonly ready?: () => Promise<void>;
}): Promise<EchoAccount> {
  const driver = verifyingDriver(options);
  try {
    await driver.linkUp();
    await options.ready?.();
    const ledger = await Ledger.open(driverStation(driver), ...options.stations);
    await exchange(driver, wantedFrames);
    const account = await ledger.balanced(() => ({
      sent: driver.metric('sent'),
      received: driver.metric('received'),
    }));
    return { ...account, corrupted: driver.metric('corrupted'), foreign: driver.metric('foreign') };
  } finally {
    driver.close();
  }
}
