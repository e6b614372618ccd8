// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { boundPorts, orphanMounts, orphanPorts } from '../../../agent/orphan-mounts.ts';

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

test('a port with a file system of its own is known by its source, and bound where it is shown elsewhere', () => {
  const port = (n: number): string => `p0123456789abc${n}`;
  const own = (n: number, point: string): string =>
    `36 35 0:40 / ${point} rw,nosymfollow - tmpfs ${port(n)} rw`;
  const table = [
    own(1, `/run/usvhost/ports/${port(1)}`),
    own(1, '/run/usvhost/pods/port-0/net1'),
    own(2, `/run/usvhost/ports/${port(2)}`),
    own(3, `/run/usvhost/ports/${port(3)}`),
  ].join('\n');
  expect([...boundPorts(table)]).toEqual([port(1)]);
  expect(orphanPorts(table, [{ port: port(2) }])).toEqual([port(1), port(3)]);
});
