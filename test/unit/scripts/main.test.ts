// SPDX-License-Identifier: Apache-2.0
//
// What each script of package.json that takes arguments answers to --help and to what it does not know.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../../scripts/main.ts';

const scripts = [
  'bench/main.ts',
  'hostile/main.ts',
  'scripts/fuzz.ts',
  'scripts/image.ts',
  'scripts/setup.ts',
  'scripts/test.ts',
  'test/cluster/main.ts',
];

function call(script: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(join(projectRoot, 'scripts/node'), [script, ...args], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test.each(scripts)('%s --help is its usage, and nothing is done', (script) => {
  const { status, stdout, stderr } = call(script, '--help');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^Usage: npm /);
});

test.each(scripts.filter((script) => script !== 'scripts/test.ts'))(
  '%s: an unknown flag is one line',
  (script) => {
    const { status, stderr } = call(script, '--no-such-flag');
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/^usvhost: USV_USAGE: .*--no-such-flag.*\n$/);
  },
);
