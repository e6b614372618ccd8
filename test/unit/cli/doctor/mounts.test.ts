// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { portMounts } from '../../../../cli/doctor/mounts.ts';

const mountinfo = `22 1 0:21 / /run rw,nosuid - tmpfs tmpfs rw
40 22 0:21 /usvhost/ports/p0 /run/usvhost/pods/port-0/net1 ro,nosuid - tmpfs tmpfs rw
41 22 0:21 /usvhost/ports/p1//deleted /run/usvhost/pods/port-1/net\\0401 ro - tmpfs tmpfs rw
42 22 0:21 /usvhost/mem/0 /run/usvhost/pods/port-1/mem/0 rw - tmpfs tmpfs rw
43 22 0:21 /elsewhere /run/usvhost/pods/port-2/net1 rw - tmpfs tmpfs rw
45 22 0:40 / /run/usvhost/pods/port-4/net1 rw,nosymfollow - tmpfs p0123456789abcd rw
46 22 0:40 / /run/usvhost/ports/p0123456789abcd rw,nosymfollow - tmpfs p0123456789abcd rw
44 22 0:21 /usvhost/ports/p3 /run/usvhost/podsx/port-3/net1 rw - tmpfs tmpfs rw
`;

test('ports that are bound into pods, and nothing else', () => {
  expect(portMounts(mountinfo, '/run/usvhost/pods')).toEqual([
    { point: '/run/usvhost/pods/port-0/net1', device: 'port-0', ifname: 'net1', port: 'p0', orphaned: false },
    {
      point: '/run/usvhost/pods/port-1/net 1',
      device: 'port-1',
      ifname: 'net 1',
      port: 'p1',
      orphaned: true,
    },
    {
      point: '/run/usvhost/pods/port-4/net1',
      device: 'port-4',
      ifname: 'net1',
      port: 'p0123456789abcd',
      orphaned: false,
    },
  ]);
});
