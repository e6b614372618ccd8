// SPDX-License-Identifier: Apache-2.0
//
// What a back-end answers, and what it may do instead of answering.

import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { askBackEnd } from '../../../../cli/check/exchange.ts';
import { backEnds, offering, reply } from '../../../fakes/back-end.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const listen = backEnds();
const socketPath = (): string => join(newRoot(), 'vhost.sock');

test('features, and protocol features where they are offered', async () => {
  const path = socketPath();
  await listen(path, offering(0x1_4000_0000n, 9n));
  expect(await askBackEnd(path)).toEqual({
    kind: 'answers',
    features: 0x1_4000_0000n,
    protocolFeatures: 9n,
  });
});

test('a back-end without protocol features is not asked for them', async () => {
  const path = socketPath();
  await listen(path, offering(1n << 32n, 9n));
  expect(await askBackEnd(path)).toEqual({
    kind: 'answers',
    features: 1n << 32n,
    protocolFeatures: undefined,
  });
});

test('a reply in pieces', async () => {
  const path = socketPath();
  await listen(path, (socket) => {
    socket.setNoDelay(true);
    socket.once('data', () => {
      const message = reply(1, 0n);
      socket.write(message.subarray(0, 5), () => socket.write(message.subarray(5)));
    });
  });
  expect(await askBackEnd(path)).toMatchObject({ kind: 'answers', features: 0n });
});

test('one that hangs up at once is in use', async () => {
  const path = socketPath();
  await listen(path, (socket) => socket.destroy());
  expect(await askBackEnd(path)).toEqual({ kind: 'busy' });
});

test('one that does not answer is silent after the deadline', async () => {
  const path = socketPath();
  await listen(path, () => undefined);
  expect(await askBackEnd(path, { millis: 50 })).toEqual({ kind: 'silent' });
});

test.each([
  ['another request', reply(2, 0n), 'request 2'],
  ['no reply flag', reply(1, 0n, { flags: 1 }), 'flags 1'],
  ['another size', reply(1, 0n, { size: 4096 }), '4096 bytes'],
  ['more than was asked for', Buffer.concat([reply(1, 0n), reply(1, 0n)]), 'more than one reply'],
  ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 'more than one reply'],
])('malformed: %s', async (_, message, says) => {
  const path = socketPath();
  await listen(path, (socket) => socket.once('data', () => socket.end(message)));
  expect(await askBackEnd(path)).toEqual({ kind: 'malformed', got: expect.stringContaining(says) });
});

test('an end in the midst of a reply', async () => {
  const path = socketPath();
  await listen(path, (socket) => socket.once('data', () => socket.end(reply(1, 0n).subarray(0, 7))));
  expect(await askBackEnd(path)).toEqual({ kind: 'malformed', got: 'a closed connection' });
});

test('nobody', async () => {
  expect(await askBackEnd(socketPath())).toEqual({ kind: 'unreachable', errno: 'ENOENT' });
});
