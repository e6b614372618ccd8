// SPDX-License-Identifier: Apache-2.0
//
// Taking and giving back socket names: live ones are never taken, stale ones are replaced, foreign files stay.

import { linkSync, mkdirSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { fileIdentity, probeSocket, releaseSocketName, takeSocketName } from '../../../proto/socket-file.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

function listen(path: string): Server {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  server.listen(path);
  return server;
}

/** A socket file whose listener is gone without having removed it, as after a kill. */
async function leaveStale(path: string): Promise<void> {
  const server = listen(`${path}.first`);
  linkSync(`${path}.first`, path);
  await new Promise((resolve) => server.close(resolve));
}

describe('probeSocket', () => {
  test('tells absent, stale and live apart', async () => {
    const root = newRoot();
    await leaveStale(join(root, 'stale'));
    listen(join(root, 'live'));
    expect(await probeSocket(join(root, 'absent'))).toBe('absent');
    expect(await probeSocket(join(root, 'stale'))).toBe('stale');
    expect(await probeSocket(join(root, 'live'))).toBe('live');
  });

  test.each(['file', 'directory'])('refuses a %s', async (kind) => {
    const path = join(newRoot(), 'thing');
    if (kind === 'file') writeFileSync(path, 'not a socket');
    else mkdirSync(path);
    await expect(probeSocket(path)).rejects.toMatchObject({
      code: 'USV_IO',
      message: expect.stringContaining(path),
    });
  });
});

describe('takeSocketName', () => {
  test('gives a new name and removes the temporary one', async () => {
    const root = newRoot();
    listen(join(root, 't'));
    await takeSocketName(join(root, 't'), join(root, 'name'));
    expect(readdirSync(root)).toEqual(['name']);
    expect(await probeSocket(join(root, 'name'))).toBe('live');
  });

  test('replaces a stale socket and leaves nothing aside', async () => {
    const root = newRoot();
    await leaveStale(join(root, 'name'));
    listen(join(root, 't'));
    await takeSocketName(join(root, 't'), join(root, 'name'));
    expect(readdirSync(root)).toEqual(['name']);
    expect(await probeSocket(join(root, 'name'))).toBe('live');
  });

  test('refuses a name somebody listens on', async () => {
    const root = newRoot();
    listen(join(root, 'name'));
    const before = fileIdentity(join(root, 'name'));
    listen(join(root, 't'));
    await expect(takeSocketName(join(root, 't'), join(root, 'name'))).rejects.toMatchObject({
      code: 'USV_RUNNING',
    });
    expect(fileIdentity(join(root, 'name'))).toBe(before);
  });

  test('leaves a file that is not a socket alone', async () => {
    const root = newRoot();
    writeFileSync(join(root, 'name'), 'precious');
    listen(join(root, 't'));
    await expect(takeSocketName(join(root, 't'), join(root, 'name'))).rejects.toMatchObject({
      code: 'USV_IO',
    });
    expect(readdirSync(root).sort()).toEqual(['name', 't']);
  });

  test('lets one of many that start together win, over nothing and over a stale socket', async () => {
    for (const stale of [false, true]) {
      const root = newRoot();
      if (stale) await leaveStale(join(root, 'name'));
      const names = ['a', 'b', 'c', 'd', 'e'].map((name) => join(root, name));
      for (const name of names) listen(name);
      const results = await Promise.allSettled(names.map((name) => takeSocketName(name, join(root, 'name'))));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'USV_RUNNING' });
      }
      expect(await probeSocket(join(root, 'name'))).toBe('live');
    }
  });
});

describe('releaseSocketName', () => {
  test('removes what is still ours, once or twice', () => {
    const path = join(newRoot(), 'name');
    listen(path);
    const identity = fileIdentity(path) ?? '';
    releaseSocketName(path, identity);
    expect(fileIdentity(path)).toBeUndefined();
    releaseSocketName(path, identity);
  });

  test('leaves what somebody else put there since', () => {
    const path = join(newRoot(), 'name');
    listen(path);
    const identity = fileIdentity(path) ?? '';
    unlinkSync(path);
    writeFileSync(path, 'of somebody else');
    releaseSocketName(path, identity);
    expect(fileIdentity(path)).toBeDefined();
  });
});
