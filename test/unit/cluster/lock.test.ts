// SPDX-License-Identifier: Apache-2.0
//
// The lock of clusters, with the real flock.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { locked } from '../../cluster/host/lock.ts';
import { needs } from '../../support/need.ts';
import { type PrivateDirectory, privateDirectory } from '../../support/private-directory.ts';

const test = needs('flock');
const module = join(import.meta.dirname, '../../cluster/host/lock.ts');
let directory: PrivateDirectory;
let file: string;

beforeEach(() => {
  directory = privateDirectory();
  file = join(directory.path, 'run/lock');
});

afterEach(() => directory.remove());

test('one at a time, and each gets his own result', async () => {
  const order: string[] = [];
  const inFirst = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const one = locked(async () => {
    inFirst.resolve();
    await goOn.promise;
    order.push('one');
    return 1;
  }, file);
  await inFirst.promise;
  const two = locked(async () => {
    order.push('two');
    return 2;
  }, file);
  goOn.resolve();
  expect(await Promise.all([one, two])).toEqual([1, 2]);
  expect(order).toEqual(['one', 'two']);
});

test('a failure gives it back', async () => {
  await expect(locked(async () => Promise.reject(new Error('mine')), file)).rejects.toThrow('mine');
  expect(await locked(async () => 'free', file)).toBe('free');
});

test('it ends with a holder that is killed', async () => {
  const script = `import { locked } from ${JSON.stringify(module)};
    await locked(() => new Promise(() => { console.log('held'); setInterval(() => undefined, 60_000); }), ${JSON.stringify(file)});`;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(owner.stdout, 'data');
  const waiting = locked(async () => 'mine now', file);
  owner.kill('SIGKILL');
  expect(await waiting).toBe('mine now');
});

test('where there can be no file it says so', async () => {
  const expected = { code: 'USV_IO', message: expect.stringContaining('/proc/no-lock') };
  await expect(locked(async () => undefined, '/proc/no-lock')).rejects.toMatchObject(expected);
});
