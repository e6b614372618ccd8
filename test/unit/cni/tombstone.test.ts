// SPDX-License-Identifier: Apache-2.0
//
// Which written DELs are good. The contract tests have the ones that the binary writes.

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeFrame } from '../../../cni/shim-protocol.ts';
import { decodeTombstone, maxTombstoneBytes } from '../../../cni/tombstone.ts';
import { UsvhostError } from '../../../lib/errors.ts';

/** A request as the shim sends it; undefined: the variable is not set. */
function request(...values: readonly (string | undefined)[]): Buffer {
  const head = Buffer.alloc(4 + 4 * values.length);
  values.forEach((value, n) => {
    if (value === undefined) return;
    head.writeUInt32LE((head.readUInt32LE(0) | (1 << n)) >>> 0, 0);
    head.writeUInt32LE(Buffer.byteLength(value), 4 + 4 * n);
  });
  return Buffer.concat([head, ...values.map((value) => Buffer.from(value ?? ''))]);
}

const written = (
  command = 'DEL',
  containerId = 'c1',
  ifname = 'net1',
  stdin = '{"ipam":{"type":"host-local"}}',
): Buffer =>
  encodeFrame('request', 0, request(command, containerId, undefined, ifname, 'A=b', '/bin', stdin));

test('a DEL with its key, and whether a plugin has addresses', () => {
  expect(decodeTombstone(written())).toMatchObject({
    key: { containerId: 'c1', ifname: 'net1' },
    ipam: true,
    request: { args: 'A=b' },
  });
  const chained = decodeTombstone(written('DEL', 'c1', 'eth0', '{"ifName":"net2"}'));
  expect(chained).toMatchObject({ key: { ifname: 'net2' }, ipam: false, request: { ifname: 'eth0' } });
});

test.each<[string, Buffer, string]>([
  ['nothing', Buffer.alloc(0), 'USV_MESSAGE'],
  ['too much', Buffer.alloc(maxTombstoneBytes + 1), 'USV_MESSAGE'],
  ['another protocol', Buffer.alloc(64), 'USV_MESSAGE'],
  ['a cut file', written().subarray(0, -1), 'USV_MESSAGE'],
  ['two frames', Buffer.concat([written(), written()]), 'USV_MESSAGE'],
  ['a report', encodeFrame('report', 0, Buffer.alloc(8)), 'USV_MESSAGE'],
  ['an ADD', written('ADD'), 'USV_MESSAGE'],
  ['a container id that is a path', written('DEL', '../x'), 'USV_CNI_ENV'],
  ['an interface name that is a path', written('DEL', 'c1', '../x'), 'USV_CNI_ENV'],
  ['no JSON', written('DEL', 'c1', 'net1', '{'), 'USV_STDIN_JSON'],
])('%s is refused', (_, bytes, code) => {
  expect(() => decodeTombstone(bytes)).toThrow(expect.objectContaining({ code }));
});

test('whatever the bytes are, the answer is a DEL or an error of the table', () => {
  const good = written();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }))), (changes) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        return decodeTombstone(bytes).request.command === 'DEL';
      } catch (error) {
        return error instanceof UsvhostError;
      }
    }),
  );
});
