// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { boundPorts, orphanMounts } from '../../../agent/orphan-mounts.ts';

const line = (point: string): string => `36 35 0:32 /ports/p1 ${point} ro,nosuid - tmpfs tmpfs rw`;

test('a port bound where no record has one is an orphan, anything else is not', () => {
  const table = [
    '/run/usvhost/pods/port-0/net1',
    '/run/usvhost/pods/port-1/net1',
    '/run/usvhost/pods/port-1/net1',
    '/run/usvhost/pods/port-1/mem',
    '/run/usvhost/pods/port-2',
    '/run/usvhost/pods/port-3/net1/deeper',
    '/run/usvhost/podsandmore/port-4/net1',
    '/run/usvhost/ports/p1/net1',
  ];
  const records = [{ device: 'port-0', ifname: 'net1' }];
  expect(orphanMounts(table.map(line).join('\n'), '/run/usvhost/pods', records)).toEqual([
    { device: 'port-1', ifname: 'net1' },
  ]);
});

test('a port is bound wherever its directory is shown', () => {
  const port = 'p0123456789abcd';
  const shows = (root: string): string => `36 35 0:32 ${root} /x ro - tmpfs tmpfs rw`;
  for (const root of [`/ports/${port}`, `/run/usvhost/ports/${port}//deleted`])
    expect([...boundPorts(shows(root))]).toEqual([port]);
  for (const root of ['/', `/ports/${port}/deeper`, '/ports/uplink', `/other/${port}`])
    expect([...boundPorts(shows(root))]).toEqual([]);
});
