// SPDX-License-Identifier: Apache-2.0
//
// Exact accounts of frames: named losses of every station on the way since the ledger was opened. A run balances when
// sent = received + losses, and every run is printed as a row.

import { afterAll } from '@jest/globals';
import { eventually } from '../support/eventually.ts';
import type { RunningDriver, RunningSwitch } from '../support/running.ts';
import type { Testpmd } from '../support/testpmd.ts';

type Losses = Readonly<Record<string, number>>;
/** Names of losses with their counts since any fixed moment. */
export type Station = () => Losses | Promise<Losses>;

const isLoss = (name: string): boolean => name.includes('_drop_') || name === 'tx_lost';

function prefixed(prefix: string, counters: Losses): Losses {
  return Object.fromEntries(
    Object.entries(counters)
      .filter(([name]) => isLoss(name))
      .map(([name, value]) => [`${prefix}.${name}`, value]),
  );
}

export function switchStation(ours: RunningSwitch, ...ports: readonly string[]): Station {
  return () =>
    Object.assign({}, ...ports.map((port) => prefixed(`switch.${port}`, ours.port(port).counters)));
}

export function driverStation(driver: RunningDriver): Station {
  return () => prefixed('driver', driver.counters);
}

/** What testpmd did not get into a transmit ring, or counts as lost in reception. */
export function testpmdStation(testpmd: Testpmd): Station {
  return async () => {
    const forward = await testpmd.forwardStats();
    const ports = await testpmd.portStats();
    return {
      'testpmd.tx_dropped': forward.reduce((sum, { txDropped }) => sum + txDropped, 0),
      'testpmd.rx_lost': ports.reduce((sum, { rxLost }) => sum + rxLost, 0),
    };
  };
}

/**
 * What an echoing testpmd took in and did not send out again, also while its port was stopped: `start` first throws away
 * what comes in for some milliseconds, which no statistics of forwarding show.
 */
export function restartedTestpmdStation(testpmd: Testpmd): Station {
  return async () => {
    const ports = await testpmd.portStats();
    const kept = ports.map(({ rxPackets, txPackets, rxLost }) => rxPackets - txPackets + rxLost);
    return { 'testpmd.not_returned': kept.reduce((sum, value) => sum + value, 0) };
  };
}

/**
 * What was delivered to testpmd and never seen by it: DPDK's virtio driver empties its receive ring when a port is started
 * and counts that nowhere (drivers/net/virtio/virtio_ethdev.c, virtio_dev_start).
 */
export function restartedPortStation(ours: RunningSwitch, port: string, testpmd: Testpmd): Station {
  return async () => {
    const [seen] = await testpmd.portStats();
    const delivered = ours.port(port).counters['rx_packets'] ?? 0;
    return { 'testpmd.emptied': delivered - (seen?.rxPackets ?? 0) };
  };
}

interface Count {
  readonly sent: number;
  readonly received: number;
}

export interface Account extends Count {
  /** Only those that are not 0. */
  readonly losses: Losses;
}

/** A balance is one when so many looks in a row, so far apart, are the same. */
const stillLooks = 3;
const stillMillis = 20;

export class Ledger {
  readonly #stations: readonly Station[];
  readonly #opened: Losses;

  private constructor(stations: readonly Station[], opened: Losses) {
    this.#stations = stations;
    this.#opened = opened;
  }

  static async open(...stations: readonly Station[]): Promise<Ledger> {
    return new Ledger(stations, await all(stations));
  }

  /** Waits until the frames under way have arrived or are counted as lost, and nothing moves. @throws UsvhostError when they never balance */
  async balanced(count: () => Count | Promise<Count>): Promise<Account> {
    const look = async (): Promise<Account> => {
      const now = Object.entries(await all(this.#stations));
      const losses = now.map(([name, value]) => [name, value - (this.#opened[name] ?? 0)] as const);
      return { ...(await count()), losses: Object.fromEntries(losses.filter(([, value]) => value !== 0)) };
    };
    const sum = (losses: Losses): number => Object.values(losses).reduce((total, value) => total + value, 0);
    // What a station names by a difference may still be under way, so a balance counts once it has stood for a while.
    let before = '';
    let stood = 0;
    return eventually(
      look,
      (account) => {
        const now = JSON.stringify(account);
        stood = now === before ? stood + 1 : 0;
        before = now;
        return stood >= stillLooks && account.sent === account.received + sum(account.losses);
      },
      'sent = received + losses',
      { stepMillis: stillMillis },
    );
  }
}

async function all(stations: readonly Station[]): Promise<Losses> {
  // One after the other: testpmd answers one command at a time.
  const losses: Losses[] = [];
  for (const station of stations) losses.push(await station());
  return Object.assign({}, ...losses);
}

/** Collects rows and prints them when the file's tests are done. Frames whose content nobody has looked at say so. */
export function printedRows(): (name: string, account: Account & { readonly corrupted?: number }) => void {
  const rows: string[] = [];
  afterAll(() => {
    process.stdout.write(['', ...rows, ''].join('\n'));
  });
  return (name, { sent, received, corrupted = 'not looked at', losses }) => {
    const named = Object.entries(losses).map(([loss, value]) => `${loss} ${value}`);
    const cells = [
      name.padEnd(76),
      `sent ${String(sent).padStart(8)}`,
      `received ${String(received).padStart(8)}`,
      `corrupted ${corrupted}`,
      `drops ${named.join(', ') || '0'}`,
    ];
    rows.push(cells.join('  '));
  };
}
