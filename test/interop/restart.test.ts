// SPDX-License-Identifier: Apache-2.0
//
// Peers that die in the middle of traffic: kill -9 of testpmd as back-end and as front-end. Our side must go on by itself, with
// no frame corrupted and none missing without a name.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import { needs } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { type RunningDriver, RunningSwitch } from '../support/running.ts';
import { Testpmd } from '../support/testpmd.ts';
import { accountOf, exchange, peerMac, verifyingDriver, wantedFrames } from './echo.ts';
import { printedRows, switchStation, testpmdStation } from './ledger.ts';

const row = printedRows();
const test = needs('dpdk-testpmd');
const timeout = 60_000;
const queueSize = 256;
const undo: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
}, timeout);

function directory(): string {
  const made = privateDirectory();
  undo.push(() => made.remove());
  return made.path;
}

async function startVhost(path: string): Promise<Testpmd> {
  const testpmd = await Testpmd.start({ ports: [{ kind: 'vhost', path }], forward: 'macswap' });
  undo.push(() => testpmd.stop());
  await testpmd.startForwarding();
  return testpmd;
}

async function startVirtioUser(path: string): Promise<Testpmd> {
  const port = { kind: 'virtio-user', path, mac: peerMac, queueSize } as const;
  const testpmd = await Testpmd.start({ ports: [port], forward: 'macswap' });
  undo.push(() => testpmd.stop());
  await testpmd.startForwarding();
  return testpmd;
}

function startDriver(path: string): RunningDriver {
  const driver = verifyingDriver({ path, queueSize, size: 512 });
  undo.push(() => driver.close());
  return driver;
}

interface Pair {
  readonly ours: RunningSwitch;
  readonly driver: RunningDriver;
  readonly path: string;
}

/** A switch with our driver on one port and room for testpmd on the other. */
async function switchWithDriver(): Promise<Pair> {
  const ours = new RunningSwitch({ directory: directory() });
  undo.push(() => ours.close());
  const driver = startDriver(ours.addPort('ours'));
  const path = ours.addPort('dpdk');
  await driver.linkUp();
  return { ours, driver, path };
}

test(
  'our driver connects again when testpmd was killed as back-end',
  async () => {
    const path = join(directory(), 'vhost.sock');
    const first = await startVhost(path);
    const driver = startDriver(path);
    await driver.linkUp();
    await exchange(driver, wantedFrames);
    driver.setRunning(true);
    await first.kill();
    await driver.linkDown();
    driver.setRunning(false);
    // DPDK does not replace a socket that a killed process has left.
    rmSync(path);

    const second = await startVhost(path);
    await driver.linkUp();
    const account = await accountOf(driver, [testpmdStation(second)], () => exchange(driver, wantedFrames));
    row('vhost killed and started again', account);
    expect(account).toMatchObject({ foreign: 0 });
    expect(driver.metric('corrupted')).toBe(0);
    expect(driver.linksUp).toBe(2);
  },
  timeout,
);

test(
  'a port of our switch serves the next testpmd when one was killed as front-end',
  async () => {
    const { ours, driver, path } = await switchWithDriver();
    const first = await startVirtioUser(path);
    await ours.until('dpdk', 'up');
    await exchange(driver, wantedFrames);
    driver.setRunning(true);
    await first.kill();
    await ours.until('dpdk', 'listening');
    driver.setRunning(false);

    const second = await startVirtioUser(path);
    await ours.until('dpdk', 'up');
    const stations = [switchStation(ours, 'ours', 'dpdk'), testpmdStation(second)];
    const account = await accountOf(driver, stations, () => exchange(driver, wantedFrames));
    row('virtio-user killed and started again', account);
    expect(account).toMatchObject({ foreign: 0 });
    expect(driver.metric('corrupted')).toBe(0);
    expect(driver.linksUp).toBe(1);
    expect(ours.port('dpdk')).toMatchObject({ connections: 2, state: 'up' });
  },
  timeout,
);
