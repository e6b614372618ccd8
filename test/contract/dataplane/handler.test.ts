// SPDX-License-Identifier: Apache-2.0
//
// Packet handlers in a real dataplane on a real switch: what they decide happens, and whatever they do wrong has the end that
// docs/packets.md says. The example of that page runs as it stands there.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Program } from '../../e2e/program.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { eventually } from '../../support/eventually.ts';
import type { RunningDriver } from '../../support/running.ts';
import { HandlerBench, reportsOf } from './handler-run.ts';

const newRoot = temporaryRoots();
const macs = {
  sender: '02:00:00:00:00:01',
  function: '02:00:00:00:00:02',
  far: '02:00:00:00:00:03',
} as const;
let root = '';
let bench: HandlerBench;

beforeEach(() => {
  root = newRoot();
  bench = new HandlerBench(root);
});
afterEach(() => bench.close());

/** Sends so many frames to everybody, each with a pattern that it also checks in what comes in. */
function sender(limit: number, running = true, size = 100): Promise<RunningDriver> {
  const addresses = { sourceMac: macs.sender, destinationMac: 'ff:ff:ff:ff:ff:ff' };
  return bench.driver('sender', { kind: 'txonly', size, limit, verify: true, running, ...addresses });
}

/** A module that does this with each burst. */
function handler(onBurst: string, rest = ''): string {
  return `export function setup({ log, helpers }) { return { onBurst(burst) { ${onBurst} }, ${rest} }; }`;
}

function until(driver: RunningDriver, metric: string, value: number): Promise<number> {
  return eventually(
    () => driver.metric(metric),
    (now) => now >= value,
    `${metric} of ${value}`,
  );
}

/** Waits until so many frames have come back or, by the last report, were in bursts in which the handler threw. */
async function accounted(driver: RunningDriver, program: Program, frames: number): Promise<void> {
  const dropped = (): number => Number(program.stdout.match(/"drop_threw":(\d+)(?!.*"drop_threw")/s)?.[1]);
  const count = (): number => driver.metric('received') + dropped();
  await eventually(count, (now) => now === frames, `${frames} accounted for`);
}

describe('decisions', () => {
  test('frames come back as the handler left them, every one', async () => {
    const source = handler(
      'for (const frame of burst) { seen++; frame.swapAddresses(); frame.reply(); }',
      'metrics: () => ({ seen })',
    ).replace('return {', 'console.log("noise"); let seen: number = 0; return {');
    const program = await bench.run({ ports: ['function'], source });
    const driver = await sender(200);
    await until(driver, 'received', 200);
    expect(driver.metric('corrupted')).toBe(0);
    const exit = await program.stop();
    // Its own words are not among our reports.
    expect([exit.status, exit.stderr]).toEqual([0, expect.stringMatching(/^noise$/m)]);
    expect(reportsOf(exit)).toMatchObject([
      { final: true, handler: { seen: 200 }, engine: { frames: 200, in_hand: 0, threw: 0, drop_decided: 0 } },
    ]);
  });

  test('what is dropped does not come back; odd ones do', async () => {
    const source = handler(
      'for (const frame of burst) if (frame.bytes[14] & 1) { frame.swapAddresses(); frame.reply(); }',
    );
    const program = await bench.run({ ports: ['function'], source });
    const driver = await sender(200);
    await until(driver, 'received', 100);
    const [report] = reportsOf(await program.stop());
    expect(report).toMatchObject({ engine: { frames: 200, drop_decided: 100 } });
    expect(driver.metric('received')).toBe(100);
  });

  test('a length of 2048 goes out, one beyond is an error that drops the burst', async () => {
    const source = handler(`for (const frame of burst) {
      frame.swapAddresses();
      frame.reply();
      if (frame.bytes[14] === 7) frame.length = 2049;
    }`);
    const program = await bench.run({ ports: ['function'], source, args: ['--report-millis', '20'] });
    const driver = await sender(8, false);
    driver.setRunning(true);
    await program.says(
      'said once: UsvhostError: USV_HANDLER: expected 14 to 2048 for length of a frame, got 2049',
    );
    await program.until(() => /"threw":1,.*"in_hand":0/.test(program.stdout), 'it had given up on one burst');
    await accounted(driver, program, 8);
    const last = reportsOf(await program.stop()).at(-1);
    expect(last).toMatchObject({ final: true, engine: { frames: 8, threw: 1, drop_invalid: 0 } });
    expect(driver.metric('received')).toBe(8 - (last?.engine['drop_threw'] ?? 0));
  });

  test('numbers that no API writes are dropped and counted', async () => {
    const source = handler('new Int32Array(burst.at(0).bytes.buffer, 0, 32 * 16 * 2).fill(1e9);');
    const program = await bench.run({ ports: ['function'], source, args: ['--report-millis', '20'] });
    await sender(50);
    await program.until(() => program.stdout.includes('"drop_invalid":50'), 'it dropped 50');
    expect((await program.stop()).status).toBe(0);
  });
});

describe('a handler that is wrong', () => {
  test('throws for one frame: its burst is dropped, said once, the rest goes on', async () => {
    const source = handler(`for (const frame of burst) {
      if (frame.bytes[14] % 50 === 7) throw new Error('frame ' + frame.bytes[14]);
      frame.swapAddresses(); frame.reply();
    }`);
    const program = await bench.run({ ports: ['function'], source, args: ['--report-millis', '20'] });
    const driver = await sender(256);
    await program.until(() => /"frames":256,.*"in_hand":0/.test(program.stdout), 'it had decided on all');
    await accounted(driver, program, 256);
    const last = reportsOf(await program.stop()).at(-1);
    expect(last?.engine['threw']).toBeGreaterThan(0);
    expect(last?.engine).toMatchObject({ frames: 256, drop_decided: 0 });
    expect(driver.metric('received')).toBe(256 - (last?.engine['drop_threw'] ?? 0));
    expect(program.count('said once')).toBe(1);
  });

  test('never returns: SIGTERM ends it, and the report counts', async () => {
    const source = handler('log.info("stuck"); for (;;) {}');
    const program = await bench.run({ ports: ['function'], source });
    await sender(10);
    await program.says('stuck');
    const exit = await program.stop();
    expect(exit.status).toBe(0);
    expect(exit.stderr).toContain('the handler does not close');
    expect(reportsOf(exit)).toMatchObject([{ final: true, engine: { given: 0 } }]);
  });

  test('never returns: the process ends by itself in time', async () => {
    const source = handler('for (;;) {}');
    const program = await bench.run({ ports: ['function'], source, args: ['--handler-millis', '400'] });
    await sender(10);
    const { status, stderr } = await program.ended();
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/USV_HANDLER_LOST: .* not answered for 400 ms/),
    ]);
  });

  test('waits in a system call for ever: the process kills itself', async () => {
    const fifo = join(root, 'fifo');
    spawnSync('mkfifo', [fifo]);
    const source = `import { readFileSync } from 'node:fs';
      ${handler(`log.info('reads'); readFileSync(${JSON.stringify(fifo)});`)}`;
    const program = await bench.run({ ports: ['function'], source });
    await sender(10);
    await program.says('reads');
    const { status, stderr } = await program.stop();
    expect([status, stderr]).toEqual(['SIGKILL', expect.stringContaining('cannot be ended')]);
  });

  test.each([
    ['a timer', 'setTimeout(() => { throw new Error("late") }, 1)', 'threw outside of onBurst.*late'],
    ['a promise', 'void Promise.reject(new Error("late"))', 'threw outside of onBurst.*late'],
    ['process.exit', 'process.exit(7)', 'ended its thread with status 7'],
  ])('ends by %s: so does the process, and it forwards nothing more', async (_, code, says) => {
    const program = await bench.run({ ports: ['function'], source: handler(code) });
    await sender(1);
    const { status, stderr } = await program.ended();
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`USV_HANDLER_LOST: .*${says}`, 's')),
    ]);
  });

  test('decides behind an await: the late decision is an error, the frame was dropped', async () => {
    const source = handler(
      'const frame = burst.at(0); void Promise.resolve().then(() => frame.reply()).catch((e) => log.warn(e.message));',
    );
    const program = await bench.run({ ports: ['function'], source });
    await sender(1);
    await program.says(
      'expected a decision or a length before onBurst() returns for a frame, got one afterwards',
    );
    expect(reportsOf(await program.stop())).toMatchObject([{ engine: { frames: 1, drop_decided: 1 } }]);
  });

  test('is slow: frames wait in the ring, at most sixteen bursts with the handler', async () => {
    const source = handler(`const end = performance.now() + 20; while (performance.now() < end) {}
      for (const frame of burst) { frame.swapAddresses(); frame.reply(); }`);
    const program = await bench.run({ ports: ['function'], source, args: ['--report-millis', '20'] });
    const driver = await sender(0);
    await program.until(() => /"full":[1-9]/.test(program.stdout), 'it was full');
    await until(driver, 'received', 100);
    driver.setRunning(false);
    const reports = reportsOf(await program.stop());
    expect(Math.max(...reports.map(({ engine }) => engine['in_hand'] ?? 0))).toBeLessThanOrEqual(16);
    expect(bench.switch.port('function').counters['rx_drop_no_buffer']).toBeGreaterThan(0);
  });
});

describe('a module that cannot be used ends with one line before anything is connected', () => {
  test.each([
    ['a syntax error', 'export function setup( {', /cannot be loaded: .*handler\.ts/],
    [
      'TypeScript that cannot be stripped',
      'enum A { B }; export function setup() {}',
      /cannot be loaded: .*enum/,
    ],
    [
      'an import that is not there',
      "import 'nowhere'; export function setup() {}",
      /cannot be loaded: .*nowhere/,
    ],
    [
      'no setup',
      'export const a = 1; export const b = 2;',
      /expected an exported function setup .*exports: a, b/,
    ],
    ['a default export', 'export default function () {}', /exports: default/],
    [
      'a setup that throws',
      'export function setup() { throw new Error("no list") }',
      /setup\(\) of .*no list/,
    ],
    ['a setup that rejects', 'export async function setup() { throw new TypeError("x") }', /TypeError: x/],
    ['a wrong address', 'export function setup({ helpers }) { helpers.mac("x") }', /helpers\.mac, got "x"/],
    ['no handler', 'export function setup() {}', /expected an object with a function onBurst .*undefined/],
    ['an async onBurst', 'export const setup = () => ({ async onBurst() {} })', /an async function/],
    [
      'metrics that are none',
      'export const setup = () => ({ onBurst() {}, metrics: {} })',
      /metrics in .*object/,
    ],
  ])('%s', async (_, source, says) => {
    const { status, stderr, stdout } = await bench.start({ ports: ['function'], source }).ended();
    const last = stderr.trimEnd().split('\n').at(-1);
    expect([status, stdout, last]).toEqual([1, '', expect.stringMatching(/^usvhost: USV_HANDLER: /)]);
    expect(last).toMatch(says);
    expect(stderr).not.toContain('dataplane runs');
    expect(bench.switch.port('function').connections).toBe(0);
  });

  test('a setup that never ends is ended by SIGTERM', async () => {
    const source =
      'export const setup = ({ log }) => { log.info("waits"); setInterval(() => {}, 1000); return new Promise(() => {}); }';
    const program = bench.start({ ports: ['function'], source });
    await program.says('waits');
    expect(await program.stop()).toMatchObject({ status: 0, stdout: '' });
  });

  test('no such file', async () => {
    const missing = bench.start({ ports: ['a'], source: '', args: ['--handler', '/nonexistent.ts'] });
    expect((await missing.ended()).stderr).toMatch(/USV_HANDLER: \/nonexistent\.ts cannot be loaded/);
  });
});

/** The first code block in TypeScript of the page. */
function example(): string {
  const page = readFileSync(new URL('../../../docs/packets.md', import.meta.url), 'utf8');
  return /^```ts\n(.*?)^```$/ms.exec(page)?.[1] ?? '';
}

test('the example of the page between two switches: it answers pings to its address and forwards the rest', async () => {
  const program = await bench.run({ ports: ['function', 'far-function'], source: example() });
  await program.says('filter between net_virtio_user0 and net_virtio_user1');
  // It answers no ARP itself; who has its address on the far side does.
  const responder = await bench.driver('far-host', { kind: 'responder', mac: macs.far, ip: '10.0.0.254' });
  const ping = { kind: 'ping', mac: macs.sender, source: '10.0.0.1', count: 3, intervalMillis: 1 } as const;
  const driver = await bench.driver('sender', { ...ping, destination: '10.0.0.254', timeoutMillis: 1000 });
  await until(driver, 'received', 3);
  expect(responder.metric('answered')).toBe(1);
  const exit = await program.stop();
  expect(reportsOf(exit)).toMatchObject([{ handler: { answered: 3, refused: 0 }, engine: { threw: 0 } }]);
});
