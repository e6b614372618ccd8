// SPDX-License-Identifier: Apache-2.0

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Attachments } from '../../../agent/attachments.ts';
import type { Attachment } from '../../../cni/attachment.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const makeRoot = temporaryRoots();
let stateDir: string;
let store: Attachments;

const attachment: Attachment = {
  containerId: 'c1',
  ifname: 'net1',
  port: 'p1',
  device: 'port-0',
  network: 'fast',
  netns: '/ns',
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  endpoint: 'tap',
  podRole: 'client',
  state: 'adding',
  ipamConfig: null,
  podUid: null,
  podNamespace: null,
  podName: null,
  runtimeIfname: 'net1',
  deviceInfo: null,
};

const open = (bootId = 'boot-1'): Attachments => new Attachments({ stateDir, bootId });

beforeEach(() => {
  stateDir = join(makeRoot(), 'state');
  store = open();
});

afterEach(() => store.close());

function reopen(bootId?: string): void {
  store.close();
  store = open(bootId);
}

test('records survive a restart of the agent and end with the boot', () => {
  store.put(attachment);
  store.put({ ...attachment, state: 'ready', ipamConfig: '{}', podRole: 'server' });
  store.buryPort('p9');
  reopen();
  expect(store.list()).toEqual([{ ...attachment, state: 'ready', ipamConfig: '{}', podRole: 'server' }]);
  expect(store.get({ containerId: 'c1', ifname: 'net1' })).toEqual(store.list()[0]);
  expect(store.findByPlace('port-0', 'net1')?.port).toBe('p1');
  expect(store.findByPlace('port-0', 'net2')).toBeUndefined();
  expect(store.buriedPorts()).toEqual(['p9']);
  store.put({ ...attachment, containerId: 'c2', port: 'p2', device: 'port-1' });
  reopen('boot-2');
  // Its address lies on the disk of the IPAM plugin.
  const left = { ...attachment, state: 'deleting', netns: '', ipamConfig: '{}', podRole: 'server' };
  expect(store.list()).toEqual([left]);
  expect(store.buriedPorts()).toEqual([]);
  reopen('boot-2');
  expect(store.list()).toEqual([left]);
});

test('a database of the first schema is taken over with its records', () => {
  store.close();
  const file = join(stateDir, 'agent.db');
  rmSync(file);
  const db = new DatabaseSync(file);
  db.exec(`CREATE TABLE attachments (
      container_id TEXT NOT NULL, ifname TEXT NOT NULL, port TEXT NOT NULL UNIQUE, device TEXT NOT NULL,
      network TEXT NOT NULL, netns TEXT NOT NULL, mac TEXT NOT NULL, mtu INTEGER NOT NULL,
      endpoint TEXT NOT NULL CHECK (endpoint IN ('tap', 'socket')),
      state TEXT NOT NULL CHECK (state IN ('adding', 'ready', 'deleting')),
      ipam_config TEXT, boot_id TEXT NOT NULL, PRIMARY KEY (container_id, ifname), UNIQUE (device, ifname)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE buried_ports (port TEXT PRIMARY KEY, boot_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO attachments VALUES ('c1', 'net1', 'p1', 'port-0', 'fast', '/ns', '02:00:00:00:00:01', 1500, 'tap',
      'adding', NULL, 'boot-1');
    INSERT INTO buried_ports VALUES ('p9', 'boot-1');
    PRAGMA user_version = 1`);
  db.close();
  store = open();
  expect(store.list()).toEqual([attachment]);
  expect(store.buriedPorts()).toEqual(['p9']);
  const pod = { podUid: 'u-1', podNamespace: 'default', podName: 'web-0', runtimeIfname: 'eth0' };
  store.put({ ...attachment, ...pod });
  reopen();
  expect(store.list()).toEqual([{ ...attachment, ...pod }]);
});

test('a port that is used again is not buried any more', () => {
  store.buryPort('p1');
  store.put(attachment);
  expect(store.buriedPorts()).toEqual([]);
});

test('two containers cannot hold one place', () => {
  store.put(attachment);
  expect(() => store.put({ ...attachment, containerId: 'c2', port: 'p2' })).toThrow('UNIQUE');
  store.remove(attachment);
  store.put({ ...attachment, containerId: 'c2', port: 'p2' });
});

test('a second agent is told so, and the lock ends with the first', () => {
  expect(() => open()).toThrow(expect.objectContaining({ code: 'USV_RUNNING' }));
  reopen();
});

test('a database of a later release and a file that is none are refused', () => {
  store.close();
  const db = new DatabaseSync(join(stateDir, 'agent.db'));
  db.exec('PRAGMA user_version = 99');
  db.close();
  expect(() => open()).toThrow(expect.objectContaining({ code: 'USV_IO' }));
  stateDir = join(stateDir, 'agent.db');
  expect(() => open()).toThrow(expect.objectContaining({ code: 'USV_IO' }));
  stateDir = makeRoot();
  store = open();
});
