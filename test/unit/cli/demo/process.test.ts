// SPDX-License-Identifier: Apache-2.0
//
// Children of the demo with real processes: their output, their end, and what is said of a failure.

import { expect, test } from '@jest/globals';
import { Child, run } from '../../../../cli/demo/process.ts';

const shell = (script: string): string[] => ['sh', '-c', script];

test('run returns standard output without its last newline', async () => {
  expect(await run(shell('echo one; echo two; echo three >&2'))).toBe('one\ntwo');
});

test('standard input and environment arrive', async () => {
  expect(await run(shell('cat; echo "$THING"'), { stdin: 'given\n', env: { THING: 'set' } })).toBe(
    'given\nset',
  );
});

test('a child that does not read its input is judged by its status alone', async () => {
  expect(await run(['true'], { stdin: 'x'.repeat(1 << 20) })).toBe('');
});

test('each line is told as it comes', async () => {
  const lines: string[] = [];
  await run(shell('echo one; echo two'), { onLine: (line) => lines.push(line) });
  expect(lines).toEqual(['one', 'two']);
});

test('a failure says who, how and the last words', async () => {
  const failing = new Child('the name', shell('echo out; echo reason >&2; exit 3'));
  await expect(failing.succeeded()).rejects.toMatchObject({ code: 'USV_IO' });
  await expect(failing.succeeded()).rejects.toThrow(/the name ended with status 3:\nreason\nout/);
});

test('a death by signal is a failure that names it', async () => {
  await expect(new Child('it', shell('kill -9 $$')).succeeded()).rejects.toThrow('status SIGKILL');
});

test('a program that is not there', async () => {
  await expect(run(['/nonexistent/program'])).rejects.toThrow('ENOENT');
  expect(() => new Child('it', ['/nonexistent/program']).pid).toThrow(
    expect.objectContaining({ code: 'USV_IO' }),
  );
});

test('whileRunning passes a result on and fails when the child ends first', async () => {
  const child = new Child('sleeper', ['sleep', '60']);
  expect(await child.whileRunning(Promise.resolve(7))).toBe(7);
  expect(child.running).toBe(true);
  const never = new Promise<never>(() => undefined);
  const waiting = expect(child.whileRunning(never)).rejects.toThrow('sleeper ended too early');
  await child.stop();
  await waiting;
  expect(child.running).toBe(false);
});

test('stop of a child that has ended returns what it was', async () => {
  const child = new Child('it', shell('echo done'));
  await child.finished();
  expect(await child.stop()).toEqual({ code: 0, stdout: 'done', stderr: '' });
});
