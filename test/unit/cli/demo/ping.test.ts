// SPDX-License-Identifier: Apache-2.0
//
// What is read from the system's ping, and when the demo is content.

import { expect, test } from '@jest/globals';
import { parsePing, requireAll } from '../../../../cli/demo/ping.ts';

const output = `PING 10.37.0.2 (10.37.0.2) 56(84) bytes of data.
64 bytes from 10.37.0.2: icmp_seq=1 ttl=64 time=22.8 ms
64 bytes from 10.37.0.2: icmp_seq=2 ttl=64 time=0.359 ms
64 bytes from 10.37.0.2: icmp_seq=4 ttl=64 time=0.04 ms
From 10.37.0.1 icmp_seq=5 Destination Host Unreachable

--- 10.37.0.2 ping statistics ---
5 packets transmitted, 3 received, +1 errors, 40% packet loss, time 801ms
rtt min/avg/max/mdev = 0.040/7.733/22.800/1.000 ms`;

test('parsePing has the microseconds of each answer', () => {
  expect(parsePing(output)).toEqual([22_800, 359, 40]);
  expect(parsePing('')).toEqual([]);
});

test('requireAll wants ten of ten', () => {
  const rttUs = { min: 1, p50: 1, max: 1 };
  expect(() => requireAll({ sent: 10, received: 10, rttUs })).not.toThrow();
  expect(() => requireAll({ sent: 10, received: 9, rttUs })).toThrow(
    'expected 10 of 10 pings answered, got 9',
  );
});
