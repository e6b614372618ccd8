// SPDX-License-Identifier: Apache-2.0
//
// Every case of hostile/ against a live switch, as `npm run hostile` plays them: not one may fail.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { projectRoot } from '../../scripts/main.ts';
import { privateDirectory } from '../support/private-directory.ts';
import { Program } from './program.ts';

interface Document {
  readonly passed: number;
  readonly failed: number;
  readonly absent: number;
  readonly results: readonly {
    readonly id: string;
    readonly outcome: string;
    readonly failures: readonly string[];
  }[];
}

const hostile = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Program =>
  new Program([process.execPath, join(projectRoot, 'hostile/main.ts'), ...args], { stdin: '', env });

test('the whole table: N passed, 0 failed', async () => {
  const { status, stdout, stderr } = await hostile(['--json']).ended();
  if (stdout === '') throw new Error(stderr);
  const { passed, failed, results } = JSON.parse(stdout) as Document;
  expect(results.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  expect(failed).toBe(0);
  expect(passed).toBeGreaterThanOrEqual(500);
  expect(status).toBe(0);
}, 600_000);

test('Ctrl-C in the middle ends it, and nothing runs or lies about afterwards', async () => {
  const directory = privateDirectory();
  const program = hostile(['--filter', 'avail/', '--filter', 'chain/'], { TMPDIR: directory.path });
  await program.until(() => program.stdout.includes('ok '), 'the first case had passed');
  const { status, stdout } = await program.stop('SIGINT');
  expect(status).toBe(130);
  expect(stdout).toMatch(/\d+ passed, 0 failed/);
  expect(readdirSync(directory.path)).toEqual([]);
  directory.remove();
}, 60_000);
