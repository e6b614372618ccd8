// SPDX-License-Identifier: Apache-2.0
//
// Taking away what agent and switch keep: when they have ended, and nothing beside it.

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { purge } from '../../../../cli/install/purge.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();

/** A root as a node has it after a while. */
function used(): string {
  const root = newRoot();
  mkdirSync(join(root, 'run/usvhost/ports/p1'), { recursive: true });
  mkdirSync(join(root, 'var/lib/usvhost/tombstones'), { recursive: true });
  writeFileSync(join(root, 'var/lib/usvhost/agent.db'), '');
  mkdirSync(join(root, 'run/other'));
  return root;
}

async function listen(path: string): Promise<Server> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(path, resolve);
  await promise;
  return server;
}

test('removes both directories and nothing else; a second time there is nothing', async () => {
  const root = used();
  const paths = [join(root, 'run/usvhost'), join(root, 'var/lib/usvhost')];
  expect(await purge(root)).toEqual(paths.map((path) => ({ path, action: 'removed' })));
  expect([readdirSync(join(root, 'run')), readdirSync(join(root, 'var/lib'))]).toEqual([['other'], []]);
  expect(await purge(root)).toEqual(paths.map((path) => ({ path, action: 'absent' })));
});

test('follows no link that a pod has left', async () => {
  const root = used();
  writeFileSync(join(root, 'run/other/file'), 'kept');
  symlinkSync(join(root, 'run/other'), join(root, 'run/usvhost/ports/p1/link'));
  await purge(root);
  expect(readdirSync(join(root, 'run/other'))).toEqual(['file']);
});

test('touches nothing under a daemon that goes on', async () => {
  const root = used();
  const server = await listen(join(root, 'run/usvhost/switch.sock'));
  await expect(purge(root, 300)).rejects.toMatchObject({ code: 'USV_RUNNING' });
  expect(readdirSync(join(root, 'var/lib/usvhost'))).toEqual(['agent.db', 'tombstones']);
  server.close();
});

test('waits for a daemon that is just ending', async () => {
  const root = used();
  const server = await listen(join(root, 'run/usvhost/agent.sock'));
  // Our connection is how we learn of its end.
  server.on('connection', (socket) => {
    server.close();
    socket.destroy();
  });
  const results = await purge(root, 20_000);
  expect(results.map(({ action }) => action)).toEqual(['removed', 'removed']);
});
