// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { table } from '../../../../cli/demo/table.ts';

test('the results as a person sees them', () => {
  const text = table({
    ping: { sent: 10, received: 10, rttUs: { min: 40, p50: 60, max: 900 } },
    pingBy: 'tap',
    ports: [
      { pod: 'pod-a', port: 'p1', mac: '02:00:00:00:00:01', features: '0x140000000' },
      { pod: 'pod-b', port: 'p22', mac: '02:00:00:00:00:02', features: '0x100000001' },
    ],
    forward: [
      {
        size: 64,
        sent: 100,
        received: 97,
        drops: { 'pod-b.tx_drop_full': 1, 'switch.pod-a.rx_drop_no_buffer': 2 },
        mpps: 1.5,
        gbps: 0.768,
      },
      { size: 1500, sent: 10, received: 10, drops: {}, mpps: 0.25, gbps: 3 },
    ],
  });
  expect(text).toBe(`pod    port  MAC                features
pod-a  p1    02:00:00:00:00:01  0x140000000 PROTOCOL_FEATURES, VERSION_1
pod-b  p22   02:00:00:00:00:02  0x100000001 CSUM, VERSION_1

ping by tap: 10 of 10, rtt min/p50/max 40/60/900 µs

size    sent  received  Mpps   Gb/s   drops
64 B    100   97        1.500  0.768  pod-b.tx_drop_full 1, switch.pod-a.rx_drop_no_buffer 2
1500 B  10    10        0.250  3.000  none`);
});
