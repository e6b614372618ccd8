// SPDX-License-Identifier: Apache-2.0
//
// With which kubelet a plugin is registered, when one takes the place of another in that very moment.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { Server } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { KubeletRegistrar } from '../../../device-plugin/kubelet-registrar.ts';
import type { RegistrationHandlers } from '../../../proto/gen/v1beta1/Registration.ts';
import { Registration } from '../../../proto/load.ts';
import { type ServedSocket, serve } from '../../../proto/unix.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let kubelets: ServedSocket[];
let kubeletSocket: string;
let devicePluginDir: string;
let registrations: number;
let whileRegistering: () => void;

async function listen(socketPath: string): Promise<void> {
  const server = new Server();
  const handlers: RegistrationHandlers = {
    Register: (_, callback) => {
      registrations++;
      whileRegistering();
      callback(null, {});
    },
  };
  server.addService(Registration.service, handlers);
  kubelets.push(await serve(server, { socketPath, mode: 0o600 }));
}

beforeEach(async () => {
  devicePluginDir = newRoot();
  kubeletSocket = join(devicePluginDir, 'kubelet.sock');
  kubelets = [];
  registrations = 0;
  whileRegistering = () => undefined;
  await listen(kubeletSocket);
});

afterEach(async () => {
  for (const kubelet of kubelets) await kubelet.close();
});

function registrar(): KubeletRegistrar {
  return new KubeletRegistrar({
    paths: { devicePluginDir, kubeletSocket },
    endpoint: 'usvhost.sock',
    resourceName: 'usvhost.io/port',
    log: pino({ level: 'silent' }),
  });
}

test('a kubelet is told once', async () => {
  const ours = registrar();
  await ours.register();
  await ours.register();
  expect([ours.registered, registrations]).toEqual([true, 1]);
});

test('a kubelet whose socket took the place of a dead one while it was told is told once too', async () => {
  const next = join(devicePluginDir, 'next.sock');
  await listen(next);
  whileRegistering = () => renameSync(next, kubeletSocket);
  const ours = registrar();
  await ours.register();
  whileRegistering = () => undefined;
  await ours.register();
  expect([ours.registered, registrations]).toEqual([true, 1]);
});

test('the next kubelet is told', async () => {
  const ours = registrar();
  await ours.register();
  const next = join(devicePluginDir, 'next.sock');
  await listen(next);
  renameSync(next, kubeletSocket);
  await ours.register();
  expect(registrations).toBe(2);
});
