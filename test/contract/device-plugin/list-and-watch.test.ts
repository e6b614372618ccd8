// SPDX-License-Identifier: Apache-2.0
//
// ListAndWatch on a real socket with kubelets that read slowly, not at all, or die.

import { join } from 'node:path';
import { Server } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { DevicePool } from '../../../device-plugin/pool.ts';
import { createPluginServer, type PluginServer } from '../../../device-plugin/server.ts';
import { DevicePlugin } from '../../../proto/load.ts';
import { dial, type ServedSocket, serve } from '../../../proto/unix.ts';
import { StuckStream } from '../../fakes/stuck-stream.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let socket: ServedSocket;
let plugin: PluginServer;
let pool: DevicePool;
let streams: number[] = [];
let onStreams = (): void => {};

beforeEach(async () => {
  const root = newRoot();
  streams = [];
  pool = new DevicePool({ prefix: 'port-', count: 64 });
  plugin = createPluginServer({
    resourceName: 'usvhost.io/port',
    pool,
    allocate: () => [],
    isVacant: () => true,
    log: pino({ level: 'silent' }),
    onStreams: (open) => {
      streams.push(open);
      onStreams();
    },
  });
  const server = new Server();
  server.addService(DevicePlugin.service, plugin.handlers);
  socket = await serve(server, { socketPath: join(root, 's'), mode: 0o600 });
});

afterEach(async () => {
  onStreams = () => {};
  plugin.streams.close();
  await socket.close({ graceMillis: 50 });
});

/** Resolves when the number of open streams has become `open`. */
function openStreams(open: number): Promise<void> {
  return new Promise((resolve) => {
    onStreams = () => {
      if (plugin.streams.size === open) resolve();
    };
    onStreams();
  });
}

/** Lists that a stream may hold for a kubelet that does not read. */
const mostPiledUp = 50;

test('a kubelet that never reads costs a few lists, and gets the newest when it reads at last', async () => {
  const stuck = new StuckStream(socket.path, DevicePlugin.service.ListAndWatch);
  await stuck.open;
  for (let change = 0; change < 1001; change++) {
    pool.setHealth(change % 2 === 1);
    // Let the stream take what it can.
    if (change % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  let lists = 0;
  let round = 0;
  await stuck.readUntil(({ devices }) => {
    lists += 1;
    const wanted = round % 2 === 0 ? 'Unhealthy' : 'Healthy';
    const newest = devices.length === 64 && devices.every(({ health }) => health === wanted);
    if (!newest) return false;
    // A list that had piled up could pass for the newest, but not in as many rounds as lists may have piled up.
    round += 1;
    pool.setHealth(wanted === 'Unhealthy');
    return round > mostPiledUp;
  });
  expect(lists).toBeLessThan(2 * mostPiledUp);
  stuck.close();
});

test('a kubelet that dies is forgotten', async () => {
  const stuck = new StuckStream(socket.path, DevicePlugin.service.ListAndWatch);
  await stuck.open;
  await openStreams(1);
  stuck.close();
  await openStreams(0);
  pool.setHealth(false);
  expect(streams).toEqual([1, 0]);
});

test('two kubelets, as while one registers again, are both served', async () => {
  const clients = [1, 2].map(() => dial(DevicePlugin, socket.path));
  const calls = clients.map((client) => client.ListAndWatch({}));
  const ends = calls.map((call) => {
    call.on('error', () => {});
    return new Promise((resolve) => call.once('end', resolve).resume());
  });
  await openStreams(2);
  plugin.streams.close();
  await Promise.all(ends);
  expect(plugin.streams.size).toBe(0);
  for (const client of clients) client.close();
});
