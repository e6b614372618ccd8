// SPDX-License-Identifier: Apache-2.0
//
// The walls alone, without a Kubernetes: what is inside cannot be seen from outside and ends as a whole.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { run } from '../../../cli/demo/process.ts';
import { eventually } from '../../support/eventually.ts';
import { groupNeeds } from '../../support/need.ts';
import { removeControlGroups, withControlGroups } from './control-groups.ts';
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

groupNeeds(
  'unshare',
  'nsenter',
  'root',
  'control groups of version 1',
)('a sandbox in a control group', () => {
  const group = `usvhost-test-${process.pid}`;
  const roots = readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name));
  const groupsThere = (): string[] => roots.filter((root) => existsSync(join(root, group)));
  let init: FirstProcess;

  beforeEach(async () => {
    init = await withControlGroups(group, async (files) => firstProcess(raise(['sleep', '86400'], 2, files)));
  });

  afterEach(async () => {
    await raze(init);
    await removeControlGroups(group);
  });

  test('has it as the root of all that it sees, in every hierarchy', async () => {
    expect(groupsThere()).toContain('/sys/fs/cgroup/pids');
    const seen = await run(insideCommand(init, ['cat', '/proc/1/cgroup']));
    expect(seen.split('\n').filter((line) => !line.endsWith(':/'))).toEqual([]);
    const script = 'mount -t cgroup -o pids cgroup /mnt && cat /mnt/cgroup.procs';
    expect(await run(insideCommand(init, ['sh', '-c', script]))).toContain('1');
  });

  test('ends with its group, though nobody knows its first process, and what is below goes too', async () => {
    mkdirSync(`/sys/fs/cgroup/pids/${group}/below`);
    await removeControlGroups(group);
    expect(groupsThere()).toEqual([]);
    expect(isAlive(init)).toBe(false);
  });
});
