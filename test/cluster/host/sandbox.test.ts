// SPDX-License-Identifier: Apache-2.0
//
// The walls alone, without a Kubernetes: what is inside cannot be seen from outside and ends as a whole.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { run } from '../../../cli/demo/process.ts';
import { eventually } from '../../support/eventually.ts';
import { groupNeeds } from '../../support/need.ts';
import { type FirstProcess, firstProcess, insideCommand, isAlive, raise, raze } from './sandbox.ts';

groupNeeds(
  'unshare',
  'nsenter',
  'ip',
)('a sandbox', () => {
  let unshare: ChildProcess;
  let init: FirstProcess;

  beforeEach(async () => {
    unshare = raise(['sleep', '86400'], 2);
    init = await firstProcess(unshare);
  });

  afterEach(async () => raze(init));

  const inside = async (...command: readonly string[]): Promise<string> => run(insideCommand(init, command));

  test('has processes, interfaces and a host name of its own', async () => {
    await inside('hostname', 'elsewhere');
    expect(await run(['hostname'])).not.toBe('elsewhere');
    expect((await inside('ip', '-o', 'link')).split('\n')).toHaveLength(1);
    expect(await inside('cat', '/proc/1/comm')).toBe('sh');
    expect(await inside('pwd')).toBe(process.cwd());
  });

  test('reaps what nobody waits for', async () => {
    // The shell ends before its child, which then belongs to the first process.
    await inside('sh', '-c', '(sleep 0.1) & exit 0');
    const names = async (): Promise<string> => inside('sh', '-c', 'cat /proc/[0-9]*/stat');
    await eventually(names, (found) => !found.includes(') Z '), 'no process that has ended');
  });

  test('ends with all that was started in it or has entered it', async () => {
    const [program = '', ...args] = insideCommand(init, ['sh', '-c', 'echo started; sleep 86400']);
    const visitor = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(visitor.stdout, 'data');
    const ended = once(visitor, 'exit');
    await raze(init);
    expect(isAlive(init)).toBe(false);
    await ended;
    // Once more is no error.
    await raze(init);
  });
});
