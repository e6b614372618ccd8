// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import type { PortCounters } from '../../../agent/node-switch.ts';
import { Traffic } from '../../../agent/traffic.ts';
import { usvFailure } from '../../../lib/errors.ts';

type Ports = Readonly<Record<string, PortCounters>>;

/** A switch whose ports a test sets. */
function traffic(lines: unknown[] = []) {
  let ports: Ports = {};
  let failure: Error | undefined;
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const read = async () => {
    if (failure !== undefined) throw failure;
    return new Map(Object.entries(ports));
  };
  const all = new Traffic({ read, log });
  return {
    look: async (next: Ports) => {
      ports = next;
      failure = undefined;
      return Object.fromEntries(await all.look());
    },
    fail: async (error: Error) => {
      failure = error;
      return Object.fromEntries(await all.look());
    },
    all,
  };
}

test('tells what has come since the look before, of all ports together', async () => {
  const { look } = traffic();
  expect(await look({ a: { tx_packets: '10', rx_drop_no_buffer: '0' } })).toEqual({
    tx_packets: 0,
    rx_drop_no_buffer: 0,
  });
  const two = { a: { tx_packets: '15', rx_drop_no_buffer: '2' }, b: { tx_packets: '3' } };
  expect(await look(two)).toEqual({ tx_packets: 8, rx_drop_no_buffer: 2 });
  expect(await look(two)).toEqual({ tx_packets: 0, rx_drop_no_buffer: 0 });
});

test('a port that goes takes nothing back, and one that comes again by its name starts anew', async () => {
  const { look } = traffic();
  await look({ a: { tx_packets: '100', tx_bytes: '100' }, b: { tx_packets: '1', tx_bytes: '1' } });
  expect(await look({ b: { tx_packets: '2', tx_bytes: '2' } })).toEqual({ tx_packets: 1, tx_bytes: 1 });
  const again = { a: { tx_packets: '7', tx_bytes: '9' }, b: { tx_packets: '2', tx_bytes: '2' } };
  expect(await look(again)).toEqual({ tx_packets: 7, tx_bytes: 9 });
  // One counter that went back is enough: the port is another one.
  const restarted = { a: { tx_packets: '8', tx_bytes: '1' }, b: { tx_packets: '1', tx_bytes: '1' } };
  expect(await look(restarted)).toEqual({ tx_packets: 9, tx_bytes: 2 });
});

test('a switch that does not answer counts nothing, and nothing is lost when it does again', async () => {
  const lines: { level?: number }[] = [];
  const { look, fail } = traffic(lines);
  expect(await fail(usvFailure('USV_SWITCH_UNREACHABLE', 'away'))).toEqual({});
  await look({ a: { tx_packets: '1' } });
  expect(await fail(usvFailure('USV_SWITCH_UNREACHABLE', 'away'))).toEqual({});
  expect(await look({ a: { tx_packets: '5' } })).toEqual({ tx_packets: 4 });
  expect(await fail(new TypeError('ours'))).toEqual({});
  expect(lines.map(({ level }) => level)).toEqual([20, 20, 50]);
});

test('who asks during a look waits for it and is told nothing twice', async () => {
  const { look, all } = traffic();
  await look({ a: { tx_packets: '1' } });
  const first = look({ a: { tx_packets: '4' } });
  const second = all.look();
  expect(await first).toEqual({ tx_packets: 3 });
  expect(await second).toEqual(new Map());
});
