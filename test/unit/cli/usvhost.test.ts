// SPDX-License-Identifier: Apache-2.0
//
// The command line as a process, through the launcher that finds the pinned Node.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const launcher = fileURLToPath(new URL('../../../cli/usvhost', import.meta.url));

const commands = ['switch', 'agent', 'dataplane', 'install', 'ports', 'doctor', 'check', 'webhook', 'demo'];

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function usvhost(args: readonly string[], program = launcher): Result {
  return spawnSync(program, args, { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
}

test('--help lists the commands and loads none of them', () => {
  const { status, stdout } = usvhost(['--help']);
  expect(status).toBe(0);
  for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
});

test('--version is a version', () => {
  expect(usvhost(['--version'])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  });
});

test.each(commands)('%s --help has examples', (command) => {
  const { status, stdout } = usvhost([command, '--help']);
  expect(status).toBe(0);
  expect(stdout).toContain('\nExamples:\n');
});

test('it is found through a link', () => {
  const directory = mkdtempSync(join(tmpdir(), 'usv-'));
  try {
    const link = join(directory, 'usvhost');
    symlinkSync(launcher, link);
    expect(usvhost(['--version'], link).status).toBe(0);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

describe('wrong use is one line with a code and status 2', () => {
  test.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['switch', '--nonsense'], "unknown option '--nonsense'"],
    [['switch', '--root'], 'argument missing'],
    [['switch', 'more'], 'too many arguments'],
  ])('%j', (args, message) => {
    const { status, stdout, stderr } = usvhost(args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^usvhost: USV_USAGE: .*\n$/);
    expect(stderr).toContain(message);
  });

  test('no command at all shows the help', () => {
    const { status, stderr } = usvhost([]);
    expect(status).toBe(2);
    expect(stderr).toContain('Usage: usvhost');
  });
});
