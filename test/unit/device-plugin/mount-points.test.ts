// SPDX-License-Identifier: Apache-2.0
//
// Reading the kernel's mount table.

import { expect, test } from '@jest/globals';
import { mountPointsBelow, mountPointsIn } from '../../../device-plugin/mount-points.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();

const table = [
  '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
  '30 22 0:25 / /run rw,nosuid shared:5 - tmpfs tmpfs rw',
  '41 30 0:25 /usvhost/ports/p1 /run/usvhost/pods/port-1/net1 rw - tmpfs tmpfs rw',
  '42 30 0:25 /x /run/usvhost/pods/port-10/net1 rw - tmpfs tmpfs rw',
  '43 30 0:25 /x /run/usvhost/pods/port-2/a\\040b\\134c\\011 rw - tmpfs tmpfs rw',
  '',
].join('\n');

test('finds what is at or below the directory, and not its namesakes', () => {
  expect(mountPointsIn(table, '/run/usvhost/pods/port-1')).toEqual(['/run/usvhost/pods/port-1/net1']);
  expect(mountPointsIn(table, '/run/usvhost/pods/port-1/net1')).toEqual(['/run/usvhost/pods/port-1/net1']);
  expect(mountPointsIn(table, '/run/usvhost/pods/port-3')).toEqual([]);
});

test("undoes the kernel's escapes", () => {
  expect(mountPointsIn(table, '/run/usvhost/pods/port-2')).toEqual(['/run/usvhost/pods/port-2/a b\\c\t']);
});

test('reads the real table, and says which directory is missing', () => {
  const root = newRoot();
  expect(mountPointsBelow(root)).toEqual([]);
  expect(mountPointsBelow('/proc')).toContain('/proc');
  expect(() => mountPointsBelow(`${root}/none`)).toThrow(expect.objectContaining({ code: 'USV_IO' }));
});
