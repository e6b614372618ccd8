// SPDX-License-Identifier: Apache-2.0
//
// One file for each device, none of others touched, none left. NPWG Device Information Specification 1.1.0, section 4.1.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { DeviceInfoFiles } from '../../../device-plugin/device-info.ts';
import { DevicePool } from '../../../device-plugin/pool.ts';
import { hostPaths } from '../../../lib/names.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let directory = '';

beforeEach(() => {
  directory = hostPaths(newRoot()).deviceInfoDir;
});

function files(count: number): DeviceInfoFiles {
  const pool = new DevicePool({ prefix: 'port-', count });
  const log = pino({ level: 'silent' });
  return new DeviceInfoFiles({ directory, resourceName: 'usvhost.io/port', pool, log });
}

test('each device has a file of type vhost-user in the place of the specification', () => {
  files(2).write();
  expect(directory.endsWith('/var/run/k8s.cni.cncf.io/devinfo/dp')).toBe(true);
  expect(readdirSync(directory).sort()).toEqual([
    'usvhost.io-port-port-0-device.json',
    'usvhost.io-port-port-1-device.json',
  ]);
  expect(JSON.parse(readFileSync(join(directory, 'usvhost.io-port-port-1-device.json'), 'utf8'))).toEqual({
    type: 'vhost-user',
    version: '1.1.0',
    'vhost-user': { mode: 'client', path: '/var/run/usvhost/net1/vhost.sock' },
  });
});

test('files of devices that are no more go, those of others stay', () => {
  const others = ['usvhost.io-port-port-x-device.json', 'nic.io-vf-0000:01:02.2-device.json'];
  files(3).write();
  for (const name of others) writeFileSync(join(directory, name), '{}');
  const fewer = files(1);
  fewer.write();
  expect(readdirSync(directory).sort()).toEqual([...others, 'usvhost.io-port-port-0-device.json'].sort());
  fewer.remove();
  expect(readdirSync(directory).sort()).toEqual([...others].sort());
});

test('who wrote nothing removes nothing, and a directory that cannot be had is no failure', () => {
  files(1).write();
  files(1).remove();
  expect(readdirSync(directory)).toHaveLength(1);
  directory = join(directory, 'usvhost.io-port-port-0-device.json');
  expect(() => files(1).write()).not.toThrow();
});
