// SPDX-License-Identifier: Apache-2.0
//
// The matrix of docs/interop.md: whom the tests of this folder meet, in which mode, and what they look at. Modes come from the
// tables that the tests run by, so that a mode cannot be promised without being run.

import { csumModes } from './csum-modes.ts';
import { driverQueueModes } from './driver-queue-modes.ts';
import { sizesFor } from './frame-sizes.ts';
import { guestModes } from './guest/modes.ts';
import { ovsFrontEndModes } from './ovs-front-end-modes.ts';
import { queueModes } from './queue-modes.ts';
import { serverModes } from './server-modes.ts';
import { vhostModes } from './vhost-modes.ts';
import { titleOf, virtioUserModes } from './virtio-user-modes.ts';

export interface MatrixRow {
  readonly peer: string;
  readonly mode: string;
  readonly checked: string;
  /** File in this folder. */
  readonly test: string;
}

const echoOf = (sizes: readonly number[]): string =>
  `${sizes.join(', ')} B whole, both ways; port stopped and started under traffic`;
const longFrames = {
  nobody: 'TCP frames longer than the MTU seen whole, both ways',
  guest: 'TCP frames longer than the MTU seen cut for the guest',
  far: 'TCP frames longer than the MTU seen cut for the far end',
};
const stories = {
  bind: 'driver unbound and bound',
  boot: 'guest booted again',
  kill: 'switch killed with -9 and back',
  'kill and bind': 'switch killed with -9 and back, driver bound again',
};

export const matrix: readonly MatrixRow[] = [
  ...virtioUserModes.map((mode) => ({
    ...{ peer: 'testpmd, virtio-user', mode: titleOf(mode), test: 'virtio-user.test.ts' },
    checked: `negotiated features; ${echoOf(sizesFor(mode.mergeable))}`,
  })),
  ...queueModes.map(({ name }) => ({
    ...{ peer: 'testpmd, virtio-user', mode: `eight queue pairs, ${name}`, test: 'multiqueue.test.ts' },
    checked:
      'many flows reach every queue; frames from all queues; 512 B whole, both ways; port stopped and started under traffic; two pairs after a stop of the port',
  })),
  ...csumModes.map(({ name }) => ({
    ...{ peer: 'testpmd, virtio-user', mode: `csum engine, ${name}`, test: 'csum.test.ts' },
    checked:
      'negotiated features; TCP content by SHA-256, both ways; every sum verified by the receiving kernel',
  })),
  {
    ...{ peer: 'testpmd, virtio-user', mode: 'kill -9', test: 'restart.test.ts' },
    checked: 'the port serves the next front-end; the other port notices nothing',
  },
  ...serverModes.virtioUser.map(({ name }) => ({
    ...{ peer: 'testpmd, virtio-user', mode: `\`server=1\`, ${name}`, test: 'pod-server.test.ts' },
    checked:
      '512 B whole, both ways; port stopped and started under traffic; switch gone and back under traffic, testpmd killed and back',
  })),
  {
    ...{
      peer: 'testpmd, virtio-user, at both ports',
      mode: 'split, 1024 entries',
      test: 'two-testpmd.test.ts',
    },
    checked: 'a counted number arrives; under overload the counters of all three agree',
  },
  ...vhostModes.map(({ name, offers }) => ({
    ...{ peer: 'testpmd, vhost', mode: name, test: 'vhost.test.ts' },
    checked: `negotiated features; ${echoOf(sizesFor(offers.mergeable))}`,
  })),
  ...driverQueueModes.map(({ name }) => ({
    ...{ peer: 'testpmd, vhost', mode: name, test: 'driver-queues.test.ts' },
    checked:
      '512 B whole, both ways, by each pair; pairs at rest and back under traffic; the same at our switch',
  })),
  {
    ...{ peer: 'testpmd, vhost', mode: 'kill -9', test: 'restart.test.ts' },
    checked: 'the driver connects again by itself',
  },
  ...serverModes.vhost.map(({ name }) => ({
    ...{ peer: 'testpmd, vhost', mode: `\`client=1\`, ${name}`, test: 'pod-server.test.ts' },
    checked:
      '512 B whole, both ways; port stopped and started under traffic; testpmd killed and back under traffic, driver gone and back',
  })),
  ...guestModes.map(({ name, kind, cutFor, stories: told }) => ({
    ...{ peer: 'Linux guest, virtio-net', mode: name, test: 'guest.test.ts' },
    checked: [
      ...[
        'negotiated features',
        'ping of each size',
        'TCP content by SHA-256, both ways',
        'iperf3, both ways',
        longFrames[cutFor ?? 'nobody'],
        ...(kind.queues === undefined ? [] : ['every queue pair used']),
      ],
      ...told.map((story) => stories[story]),
    ].join('; '),
  })),
  ...ovsFrontEndModes.map(({ name }) => ({
    ...{ peer: 'Open vSwitch with DPDK, virtio-user', mode: name, test: 'ovs-front-end.test.ts' },
    checked: '512 B whole, both ways; port taken away and added under traffic',
  })),
  {
    ...{ peer: 'Open vSwitch with DPDK', mode: '`dpdkvhostuserclient`', test: 'ovs-traffic.test.ts' },
    checked: 'our drivers, testpmd and taps as pods; VLANs, trunks, limits; each part killed and back',
  },
  {
    ...{ peer: 'Open vSwitch with DPDK', mode: 'ports and agent', test: 'ovs-ports.test.ts' },
    checked: 'ports made, kept apart, taken away; either program away',
  },
  {
    ...{ peer: 'Open vSwitch with DPDK', mode: 'a node', test: 'ovs-node.test.ts' },
    checked: 'hostile pods, lost state, nothing left',
  },
];

/** As a table of Markdown, with links from docs/. */
export function matrixTable(): string {
  const rows = matrix.map(
    ({ peer, mode, checked, test }) =>
      `| ${peer} | ${mode} | ${checked} | [${test.replace('.test.ts', '')}](../test/interop/${test}) |`,
  );
  return ['| peer | mode | what is checked | test |', '|---|---|---|---|', ...rows].join('\n');
}
