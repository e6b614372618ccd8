// SPDX-License-Identifier: Apache-2.0
//
// What is left on a node is named, and what is in use is not.

import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { leftovers } from '../../../../cli/doctor/leftovers.ts';
import { hostPaths } from '../../../../lib/names.ts';
import { backEnds } from '../../../fakes/back-end.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';
import { lookOf, mountOf, seenPort, writePort } from './look.ts';

const newRoot = temporaryRoots();
const listen = backEnds();
const [used, lost, gone, dead] = ['1', '2', '3', '4'].map((digit) => `p${digit.repeat(14)}`) as [
  string,
  string,
  string,
  string,
];

/** A socket of a process that was killed. */
function staleSocket(path: string): void {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script, path]);
}

test('nothing', async () => {
  const paths = hostPaths(newRoot());
  writePort(paths, used);
  writePort(paths, 'by-hand');
  await listen(paths.switchSocket, () => undefined);
  const now = lookOf(0, seenPort(used), seenPort('by-hand'));
  expect(await leftovers(paths, now, [mountOf(used)])).toEqual([
    { what: 'leftovers', state: 'ok', says: 'none' },
  ]);
});

test('ports, mounts, directories and sockets', async () => {
  const paths = hostPaths(newRoot());
  for (const name of [used, lost, gone]) writePort(paths, name);
  mkdirSync(join(paths.portsDir, 'dir'));
  staleSocket(join(paths.runDir, '.0a1b2c'));
  staleSocket(paths.agentSocket);
  const mounts = [
    mountOf(used),
    mountOf(gone, { point: '/pods/gone net1' }),
    mountOf(dead, { point: '/pods/dead', orphaned: true }),
  ];
  const found = await leftovers(paths, lookOf(0, seenPort(used), seenPort(lost)), mounts);
  expect(found.map(({ state, todo = '' }) => [state, todo])).toEqual([
    ['wrong', expect.stringContaining('CNI DEL')],
    ['wrong', "umount '/pods/gone net1'"],
    ['wrong', 'umount /pods/dead'],
    ['wrong', `rm -r ${join(paths.portsDir, 'dir')}`],
    ['wrong', `rm ${join(paths.runDir, '.0a1b2c')}`],
    ['wrong', `rm ${paths.agentSocket}`],
  ]);
});
