// SPDX-License-Identifier: Apache-2.0
//
// What testpmd prints, as numbers; and lists of CPUs.

import { expect, test } from '@jest/globals';
import { parseCpuList } from '../../support/cpus.ts';
import { parseForwardStats, parsePortStats } from '../../support/testpmd-stats.ts';

const dashes = '-'.repeat(76);
const forward = `
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 5376           RX-dropped: 0             RX-total: 5376
  TX-packets: 5344           TX-dropped: 32            TX-total: 5376
  ${dashes}

  ---------------------- Forward statistics for port 1  ----------------------
  RX-packets: 7              RX-dropped: 0             RX-total: 7
  TX-packets: 8              TX-dropped: 9             TX-total: 17
  ${dashes}

  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++
  RX-packets: 5383           RX-dropped: 0             RX-total: 5383
  TX-packets: 5352           TX-dropped: 41            TX-total: 5393
`;
const port = `
  ######################## NIC statistics for port 0  ########################
  RX-packets: 11         RX-missed: 1          RX-bytes:  320000
  RX-errors: 2
  RX-nombuf:  3
  TX-packets: 12         TX-errors: 4          TX-bytes:  320000

  Throughput (since last show)
  Rx-pps:            5          Rx-bps:            0
  Tx-pps:            6          Tx-bps:            0
  ############################################################################
`;

test('forwarding statistics have a row for each port and none for the sum', () => {
  expect(parseForwardStats(forward)).toMatchObject([
    { rxPackets: 5376, txPackets: 5344, txDropped: 32 },
    { rxPackets: 7, txPackets: 8, txDropped: 9 },
  ]);
});

test('port statistics add up what was lost in reception', () => {
  expect(parsePortStats(port)).toMatchObject([{ rxPackets: 11, txPackets: 12, rxLost: 6, txErrors: 4 }]);
});

test('a list of CPUs may have ranges', () => {
  expect(parseCpuList('0-2,5\n')).toEqual([0, 1, 2, 5]);
});
