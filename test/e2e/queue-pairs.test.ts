// SPDX-License-Identifier: Apache-2.0
//
// Two kernels that talk through everything: each has a tap with several queues in a network namespace of its own, `usvhost
// dataplane` with as many queue pairs, and the switch between them. Many flows, and each pair carries some.

import { afterEach, beforeEach, expect } from '@jest/globals';
import type { DataplaneOutput } from '../../dataplane/daemon.ts';
import { needs } from '../support/need.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { RunningSwitch } from '../support/running.ts';
import { amRoot, ourselves } from './person.ts';
import { type Exit, Program } from './program.ts';

const test = needs('unshare', 'nsenter', 'ip', 'iperf3');
const pairs = 2;
/** The kernel and the switch place flows by hashes; that all of so many share one pair has the probability 2^-31. */
const flows = 32;
/** Far more than sockets and rings hold: what is still under way when the client has sent all, the server never counts. */
const bytes = '64M';
const device = 'net1';

interface Pod {
  readonly address: string;
  /** Runs a command in the pod's namespaces until it ends. */
  run(...command: readonly string[]): Promise<Exit>;
  /** Starts a command there, which is ended with the test. */
  start(...command: readonly string[]): Program;
}

const undo: (() => unknown)[] = [];
let directory: ReturnType<typeof privateDirectory>;
let vswitch: RunningSwitch;

beforeEach(() => {
  directory = privateDirectory();
  undo.push(() => directory.remove());
  vswitch = new RunningSwitch({ directory: directory.path });
  undo.push(() => vswitch.close());
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A network namespace with a tap of several queues. */
async function pod(number: number): Promise<Pod> {
  const address = `10.77.0.${number}`;
  const setup = [
    'ip link set lo up',
    `ip tuntap add dev ${device} mode tap multi_queue vnet_hdr`,
    `ip addr add ${address}/24 dev ${device}`,
    `ip link set ${device} up`,
    'echo ready',
    'exec cat',
  ];
  const user = amRoot ? [] : ['--user', '--map-root-user'];
  const held = new Program(['unshare', ...user, '--net', 'sh', '-ec', setup.join('; ')]);
  undo.push(() => held.stop('SIGKILL'));
  await held.until(() => held.stdout !== '', 'it had its tap');
  const who = amRoot ? [] : ['--user', '--preserve-credentials'];
  const enter = ['nsenter', '-t', String(held.pid), ...who, '--net', '--'];
  const start = (...command: readonly string[]): Program => {
    const program = new Program([...enter, ...command], { stdin: '' });
    undo.push(() => program.stop('SIGKILL'));
    return program;
  };
  return { address, start, run: (...command) => start(...command).ended() };
}

/** The pod's side of a port of the switch, with its link up. */
async function dataplane(where: Pod, port: string): Promise<Program> {
  const devargs = `net_virtio_user0,queues=${pairs},path=${vswitch.addPort(port)}`;
  const program = where.start(
    ...ourselves.usvhost(['dataplane', '--port', devargs, '--engine', 'tap', '--tap', device]),
  );
  await program.says('link is up');
  return program;
}

async function lastReport(program: Program): Promise<DataplaneOutput> {
  const { status, stdout } = await program.stop();
  expect(status).toBe(0);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as DataplaneOutput;
}

test('TCP flows between two kernels are spread over all queue pairs, both ways, and arrive', async () => {
  const [left, right] = [await pod(1), await pod(2)];
  const programs = [await dataplane(left, 'left'), await dataplane(right, 'right')];
  const server = right.start('iperf3', '--server', '--one-off', '--forceflush');
  await server.until(() => server.stdout.includes('Server listening'), 'it listened');
  const client = await left.run(
    ...['iperf3', '--client', right.address, '--parallel', String(flows), '--bytes', bytes, '--json'],
  );
  expect(client).toMatchObject({ status: 0, stderr: '' });
  const received = JSON.parse(client.stdout).end.sum_received.bytes as number;
  expect(received).toBeGreaterThan(0);
  expect((await server.ended()).status).toBe(0);
  for (const program of programs) {
    const { ports, engine } = await lastReport(program);
    const counters = ports['net_virtio_user0'] ?? {};
    for (const direction of ['rx', 'tx']) {
      const byPair = Array.from(
        { length: pairs },
        (_, pair) => counters[`${direction}_packets_q${pair}`] ?? 0,
      );
      expect(Math.min(...byPair)).toBeGreaterThan(0);
      expect(byPair.reduce((sum, count) => sum + count, 0)).toBe(counters[`${direction}_packets`]);
    }
    expect(counters).toMatchObject({ active_pairs: pairs, rx_drop_length: 0, rx_drop_buffers: 0 });
    expect(engine).toMatchObject({ tap_drop_header: 0, tap_drop_offload: 0 });
  }
}, 60_000);
