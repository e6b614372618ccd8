// SPDX-License-Identifier: Apache-2.0
//
// Rates from two looks, drops by name, and the table.

import { expect, test } from '@jest/globals';
import type { Look, SeenPort } from '../../../../cli/ports/look.ts';
import { portLines, portTable, scaled } from '../../../../cli/ports/port-line.ts';
import { contract } from '../../dataplane/contract.ts';

function port(counters: Readonly<Record<string, number>>, more: Partial<SeenPort> = {}): SeenPort {
  return {
    port: {
      spec: {
        name: 'p1',
        socket_mode: 0o666,
        mac: '02:00:00:00:00:01',
        mtu: 1500,
        role: 'listen',
        network: 'fast',
      },
      socket_path: '/s',
      state: 'up',
      features: String(0x1_4000_0000n),
      last_error: '',
      connections: '2',
      counters: Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, String(value)])),
    },
    contract: { ...contract, pod: { namespace: 'default', name: 'app' } },
    ...more,
  };
}

function look(at: number, ...ports: readonly (readonly [string, SeenPort])[]): Look {
  return { at, what: 'usvhost switch', stepMillis: 1000, ports: new Map(ports) };
}

test('rates are per second, whatever the time between the looks', () => {
  const before = look(1000, ['p1', port({ tx_packets: 10, tx_bytes: 1000 })]);
  const now = look(3000, [
    'p1',
    port({ tx_packets: 30, tx_bytes: 3000, rx_packets: 4, tx_drop_down: 7, rx_drop_x: 0 }),
  ]);
  expect(portLines(now, before)).toEqual([
    {
      port: 'p1',
      state: 'up',
      peer: true,
      connections: 2,
      pod: { namespace: 'default', name: 'app' },
      ifname: 'net1',
      network: 'fast',
      ips: contract.ips,
      mac: '02:00:00:00:00:01',
      mtu: 1500,
      features: ['PROTOCOL_FEATURES', 'VERSION_1'],
      tx: { packetsPerSecond: 10, bitsPerSecond: 8000 },
      rx: { packetsPerSecond: 2, bitsPerSecond: 0 },
      drops: { tx_drop_down: 7 },
      lastError: '',
    },
  ]);
});

test('a new port and a new switch have no rates yet', () => {
  const now = look(2000, ['p1', port({ tx_packets: 1 })]);
  for (const before of [undefined, look(1000), look(1000, ['p1', port({ tx_packets: 9 })])]) {
    expect(portLines(now, before)[0]).toMatchObject({ tx: null });
  }
});

test('the table', () => {
  const bare = port({}, { contract: undefined });
  const now = look(2000, ['p1', port({ rx_drop_no_buffer: 3 })], ['p2', bare]);
  const [head, first, second] = portTable(portLines(now, look(1000, ['p1', port({})]))).split('\n');
  expect(head).toMatch(/^port +pod +interface +network +addresses +state +tx +rx +drops +features$/);
  expect(first).toMatch(
    /^p1 +default\/app +net1 +fast .* up +0 pkt\/s, 0 bit\/s .*rx_drop_no_buffer 3 +PROTOCOL_FEATURES VERSION_1$/,
  );
  expect(second).toMatch(/^p2 +- +- +fast +- +up +- +- +-/);
  expect(portTable([])).toBe('the switch has no ports\n');
});

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1.00 k'],
  [12_345, '12.3 k'],
  [123_456_789, '123 M'],
  [2.5e13, '25.0 T'],
])('%d is %s', (value, text) => {
  expect(scaled(value)).toBe(text);
});
