// SPDX-License-Identifier: Apache-2.0
//
// The dataplane's daemon on the real addon, against a real switch in this process: from configuration to its last report.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type DataplaneOutput, runDataplane } from '../../dataplane/daemon.ts';
import { dataplaneConfigSchema } from '../../lib/config/dataplane.ts';
import { createLogger } from '../../lib/log.ts';
import { NativeSwitch } from '../../native/index.ts';
import { temporaryRoots } from '../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let root = '';
let vswitch: NativeSwitch;

beforeEach(() => {
  root = newRoot();
  vswitch = new NativeSwitch(
    {
      cpus: [],
      statsFile: join(root, 'stats'),
      maxPorts: 4,
      macTableSize: 64,
      macAgeSeconds: 300,
      idleMicros: 50,
      pollMode: 'adaptive',
      handshakeMillis: 5000,
    },
    () => undefined,
  );
  for (const name of ['a', 'b']) {
    const socketPath = join(root, `${name}.sock`);
    vswitch.addPort({ name, network: '', connect: false, socketPath, socketMode: 0o600, mtu: 1500 });
  }
});

afterEach(() => vswitch.close());

interface Running {
  readonly reports: DataplaneOutput[];
  readonly lines: string[];
  readonly ended: Promise<unknown>;
  /** Resolves with the next link that is up. */
  readonly up: Promise<void>;
  /** Resolves with the first link that is told to be down. */
  readonly down: Promise<void>;
  stop(): void;
}

function run(port: string, config: Readonly<Record<string, unknown>>): Running {
  const reports: DataplaneOutput[] = [];
  const lines: string[] = [];
  const stop = new AbortController();
  const { promise: up, resolve: linkUp } = Promise.withResolvers<void>();
  const { promise: down, resolve: linkDown } = Promise.withResolvers<void>();
  const to = new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push(String(chunk));
      if (String(chunk).includes('link is up')) linkUp();
      if (String(chunk).includes('link is down')) linkDown();
      done();
    },
  });
  const parsed = dataplaneConfigSchema.parse({
    port: [`net_virtio_user0,path=${join(root, port)}.sock`],
    ...config,
  });
  const deps = {
    log: createLogger('dataplane', to),
    onReport: (report: DataplaneOutput) => void reports.push(report),
  };
  return {
    reports,
    lines,
    up,
    down,
    ended: runDataplane(parsed, deps, stop.signal),
    stop: () => stop.abort(),
  };
}

const responder = { engine: 'responder', mac: '02:00:00:00:00:0b', ip: '10.0.0.2' };
const ping = {
  engine: 'ping',
  mac: '02:00:00:00:00:0a',
  ip: '10.0.0.1',
  target: '10.0.0.2',
  intervalMillis: 1,
};

test('a ping ends by itself with one report, the responder when it is stopped', async () => {
  const peer = run('b', responder);
  await peer.up;
  const { ended, reports } = run('a', { ...ping, count: 20 });
  await ended;
  expect(reports).toEqual([
    {
      final: true,
      ports: { net_virtio_user0: expect.objectContaining({ tx_packets: 21, rx_packets: 21, tx_lost: 0 }) },
      engine: expect.objectContaining({ sent: 20, received: 20, done: 1, rtt_min_us: expect.any(Number) }),
    },
  ]);
  peer.stop();
  await peer.ended;
  expect(peer.reports).toMatchObject([{ final: true, engine: { answered: 21, ignored: 0 } }]);
  expect(peer.lines.at(-1)).toContain('dataplane has stopped');
});

describe('without an address of our own', () => {
  const { mac: _, ...answering } = responder;
  const { mac: __, ...asking } = ping;

  test('the switch has one for each port, and takes no frame for a forgery', async () => {
    for (const { name, mac } of [
      { name: 'left', mac: '02:00:00:00:00:1a' },
      { name: 'right', mac: '02:00:00:00:00:1b' },
    ]) {
      const socketPath = join(root, `${name}.sock`);
      vswitch.addPort({ name, network: '', connect: false, socketPath, socketMode: 0o600, mtu: 1500, mac });
    }
    const peer = run('right', answering);
    await peer.up;
    expect(peer.lines.find((line) => line.includes('link is up'))).toContain('"mac":"02:00:00:00:00:1b"');
    const source = run('left', { ...asking, count: 5 });
    await source.ended;
    expect(source.reports).toMatchObject([{ engine: { sent: 5, received: 5 } }]);
    peer.stop();
    await peer.ended;
    for (const { counters } of vswitch.ports()) expect(counters).toMatchObject({ tx_drop_spoofed: 0 });
  });

  test('a port without one is told as the reason why there is no link', async () => {
    const peer = run('b', answering);
    await peer.down;
    expect(peer.lines.find((line) => line.includes('link is down'))).toContain('USV_FEATURES');
    peer.stop();
    await peer.ended;
  });
});

test('frames with a pattern come back as they were sent', async () => {
  const peer = run('b', { engine: 'l2fwd' });
  await peer.up;
  const source = run('a', { engine: 'txonly', verify: true, size: 200, seconds: 0.1, reportMillis: 20 });
  await source.ended;
  const last = source.reports.at(-1);
  expect(source.reports.slice(0, -1).map(({ final }) => final)).toContain(false);
  expect(last).toMatchObject({ final: true, engine: { corrupted: 0 } });
  expect(last?.engine['received']).toBeGreaterThan(0);
  expect(last?.seconds).toBeGreaterThanOrEqual(0.09);
  peer.stop();
  await peer.ended;
});

test('several queue pairs: each carries frames, the log and the reports say so, one limit holds for all', async () => {
  const port = `net_virtio_user0,queues=4,path=${join(root, 'b')}.sock`;
  const peer = run('b', { port: [port], engine: 'rxonly', verify: true });
  await peer.up;
  expect(peer.lines.find((line) => line.includes('link is up'))).toContain('"queuePairs":4');
  const sender = { engine: 'txonly', verify: true, limit: 2000, seconds: 0.2 };
  const source = run('a', { ...sender, port: [port.replace('/b.sock', '/a.sock')] });
  await source.ended;
  const last = source.reports.at(-1);
  expect(last?.engine).toMatchObject({ sent: 2000 });
  const { tx_packets: all, active_pairs: active, ...counters } = last?.ports['net_virtio_user0'] ?? {};
  const byPair = [0, 1, 2, 3].map((pair) => counters[`tx_packets_q${pair}`] ?? 0);
  expect(active).toBe(4);
  expect(byPair.reduce((sum, count) => sum + count, 0)).toBe(all);
  peer.stop();
  await peer.ended;
  expect(peer.reports.at(-1)?.engine).toMatchObject({ corrupted: 0, foreign: 0 });
});

describe('memory', () => {
  test('of POSIX kind lies in its directory without a name', async () => {
    const directory = join(root, 'mine');
    const failing = run('a', { ...ping, memory: `shm:${directory}` });
    await expect(failing.ended).rejects.toMatchObject({ code: 'USV_MEMORY' });
    expect(existsSync(directory)).toBe(false);
    const ours = (): string[] => readdirSync('/dev/shm').filter((name) => name.startsWith('usvhost'));
    const before = ours();
    const peer = run('b', { ...responder, memory: 'shm' });
    await peer.up;
    const source = run('a', { ...ping, count: 3, memory: 'shm:/dev/shm' });
    await source.ended;
    expect(source.reports[0]).toMatchObject({ engine: { received: 3 } });
    peer.stop();
    await peer.ended;
    expect(ours()).toEqual(before);
  });
});

test('a dataplane that is stopped before its link is up ends with a report', async () => {
  const source = run('nowhere', { engine: 'txonly', seconds: 5 });
  source.stop();
  await source.ended;
  expect(source.reports).toMatchObject([{ final: true, engine: { sent: 0 } }]);
});
