// SPDX-License-Identifier: Apache-2.0
//
// What guest and far end send each other: pings of each size, and TCP streams whose digests are compared.

import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import type { Child } from '../../../cli/demo/process.ts';
import { downloadPort, listening, uploadPort } from './digest-server.ts';
import type { FarEnd } from './far-end.ts';
import { farAddress } from './story.ts';

/** A shell at one end and a network with this address at the other. */
export interface Ends {
  readonly guest: { run: (command: string) => Promise<string> };
  readonly far: FarEnd;
}

/** Of ICMP, so that frames have 60, 64, 128, 512 and 1514 bytes. */
const payloads = [18, 22, 86, 470, 1472] as const;
const pings = 20;

/** Echo requests of each size from the guest, each as soon as the last one is answered. */
export async function ping({ guest }: Ends): Promise<void> {
  for (const size of payloads) {
    const said = await guest.run(`ping -A -c ${pings} -w 30 -s ${size} ${farAddress}`);
    expect(said).toContain(`${pings} packets received, 0% packet loss`);
  }
}

/** Runs a server at the far end for as long as `act` takes. `ready`: begins the line that says that it listens. */
async function withServer<Value>(
  { far }: Ends,
  ready: string,
  command: readonly string[],
  act: (server: Child) => Promise<Value>,
): Promise<Value> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = far.start(command, (line) => {
    if (line.startsWith(ready)) resolve();
  });
  try {
    await server.whileRunning(promise);
    return await act(server);
  } finally {
    await server.stop('SIGKILL');
  }
}

const streamBytes = 1 << 20;
const digestServer = fileURLToPath(new URL('digest-server.ts', import.meta.url));

/** Random bytes over TCP, both ways. Returns how many of the two streams were not what had been sent. */
export async function streams(story: Ends): Promise<number> {
  const { guest } = story;
  const command = [process.execPath, digestServer, String(streamBytes)];
  return withServer(story, listening, command, async () => {
    await guest.run(`head -c ${streamBytes} /dev/urandom >sent`);
    const theirs = await guest.run(`nc ${farAddress} ${uploadPort} <sent`);
    const ours = (await guest.run('sha256sum <sent')).slice(0, theirs.length);
    await guest.run(`nc ${farAddress} ${downloadPort} </dev/null >received`);
    const said = await guest.run('tail -c 64 received');
    const found = (await guest.run(`head -c ${streamBytes} received | sha256sum`)).slice(0, said.length);
    expect([theirs.length, said.length]).toEqual([64, 64]);
    return [theirs === ours, found === said].filter((same) => !same).length;
  });
}

const iperf3Seconds = 1;

/** As much as goes through, `from` the guest or `to` it, in so many streams. */
export async function iperf3(story: Ends, direction: 'from' | 'to', streams = 1): Promise<void> {
  await withServer(story, 'Server listening', ['iperf3', '--server', '--forceflush'], async (server) => {
    const way = direction === 'from' ? '' : '--reverse';
    const client = `iperf3 --client ${farAddress} --time ${iperf3Seconds} --parallel ${streams} --json ${way}`;
    const said = JSON.parse(await server.whileRunning(story.guest.run(client))) as {
      readonly end: { readonly sum_received: { readonly bytes: number } };
    };
    expect(said.end.sum_received.bytes).toBeGreaterThan(0);
  });
}

/** Echo requests from each CPU of a guest with a queue pair for each: Linux sends from the queue of the CPU (XPS). */
export async function pingFromEachCpu({ guest }: Ends, cpus: number): Promise<void> {
  for (let cpu = 0; cpu < cpus; cpu++) {
    const mask = (1 << cpu).toString(16);
    expect(Number.parseInt(await guest.run(`cat /sys/class/net/eth0/queues/tx-${cpu}/xps_cpus`), 16)).toBe(
      1 << cpu,
    );
    const said = await guest.run(`taskset ${mask} ping -A -c ${pings} -w 30 ${farAddress}`);
    expect(said).toContain(`${pings} packets received, 0% packet loss`);
  }
}
