// SPDX-License-Identifier: Apache-2.0

import { expect, test } from '@jest/globals';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';

test('one key in order, different keys together, a failure belongs to its caller', async () => {
  const queue = new KeyedQueue();
  const log: string[] = [];
  const gate = Promise.withResolvers<undefined>();
  const first = queue.run('a', async () => {
    log.push('a1 begins');
    await gate.promise;
    log.push('a1 ends');
    throw new Error('a1');
  });
  const second = queue.run('a', async () => log.push('a2'));
  await queue.run('b', async () => log.push('b1'));
  expect(log).toEqual(['a1 begins', 'b1']);
  gate.resolve(undefined);
  await expect(first).rejects.toThrow('a1');
  await second;
  await queue.idle();
  expect(log).toEqual(['a1 begins', 'b1', 'a1 ends', 'a2']);
});
