// SPDX-License-Identifier: Apache-2.0
//
// Desired ports over a data plane that really listens: idempotence, occupation, limits, and nothing left after a failure.

import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { usvFailure } from '../../../lib/errors.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { DesiredPorts } from '../../../switch/desired-ports.ts';
import { parsePortSpec } from '../../../switch/port-spec.ts';
import { FakeNativeSwitch } from '../../fakes/native-switch.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let paths: HostPaths;
let native: FakeNativeSwitch;
let ports: DesiredPorts;

beforeEach(() => {
  paths = hostPaths(newRoot());
  mkdirSync(paths.portsDir, { recursive: true });
  const options = {
    cpus: [],
    statsFile: '',
    maxPorts: 2,
    macTableSize: 16,
    macAgeSeconds: 300,
    idleMicros: 50,
    pollMode: 'adaptive' as const,
    handshakeMillis: 5000,
  };
  native = new FakeNativeSwitch(options, () => {});
  ports = new DesiredPorts({ native, paths, maxPorts: 2 });
});

afterEach(() => {
  native.close();
});

const macA = '02:00:00:00:00:0a';
const macB = '02:00:00:00:00:0b';
const add = (name: string, mac = '') => ports.add(parsePortSpec({ name, mac }));

describe('add', () => {
  test('a failing data plane leaves no directory and no port', () => {
    native.failure = usvFailure('USV_IO', 'bind failed');
    expect(() => add('pa')).toThrow('bind failed');
    expect(readdirSync(paths.portsDir)).toEqual([]);
    expect(ports.list()).toEqual([]);
    native.failure = undefined;
    expect(add('pa').added).toBe(true);
  });

  test("a failing data plane leaves a pod's directory of before", () => {
    mkdirSync(paths.portDir('pa'));
    writeFileSync(join(paths.portDir('pa'), 'port.json'), '{}');
    native.failure = usvFailure('USV_IO', 'bind failed');
    expect(() => add('pa')).toThrow('bind failed');
    expect(readdirSync(paths.portDir('pa'))).toEqual(['port.json']);
  });

  test('a port that connects has a directory for its pod to write, and leaves what the pod listens on', () => {
    const spec = parsePortSpec({ name: 'pa', role: 'connect' });
    mkdirSync(paths.portDir('pa'));
    writeFileSync(join(paths.portDir('pa'), 'vhost.sock'), '');
    expect(ports.add(spec)).toMatchObject({ spec: { role: 'connect' }, status: { state: 'connecting' } });
    expect(statSync(paths.portDir('pa')).mode & 0o7777).toBe(0o1777);
    expect(readdirSync(paths.portDir('pa'))).toEqual(['vhost.sock']);
    expect(() => add('pa')).toThrow(/connect for role of port pa.*got listen/);
    expect(ports.remove('pa')).toEqual({ removed: true, kept: [] });
    expect(readdirSync(paths.portsDir)).toEqual([]);
  });

  test('another specification under the same name names the field and both values', () => {
    add('pa', macA);
    expect(() => add('pa', macB)).toThrow(expect.objectContaining({ code: 'USV_PORT_OCCUPIED' }));
    expect(() => add('pa', macB)).toThrow(/mac of port pa.*02:00:00:00:00:0b/);
    expect(() => ports.add(parsePortSpec({ name: 'pa', mac: macA, socket_mode: 0o600 }))).toThrow(
      /0666.*0600/,
    );
    expect(ports.get('pa')?.spec.mac).toBe(macA);
  });

  test('a mac of another port names that port, also in other case', () => {
    add('pa', macA);
    expect(() => add('pb', macA.toUpperCase())).toThrow(
      expect.objectContaining({ code: 'USV_PORT_OCCUPIED' }),
    );
    expect(() => add('pb', macA)).toThrow(/port pa/);
    expect(existsSync(paths.portDir('pb'))).toBe(false);
    ports.remove('pa');
    expect(add('pb', macA).added).toBe(true);
  });

  test('a mac is unique in its network, and the same port is not in two', () => {
    add('pa', macA);
    const elsewhere = { name: 'pb', mac: macA, network: 'fast' };
    expect(ports.add(parsePortSpec(elsewhere)).spec.network).toBe('fast');
    expect(() => ports.add(parsePortSpec({ ...elsewhere, name: 'pc' }))).toThrow(/port pb/);
    expect(() => add('pb', macA)).toThrow(/network of port pb.*none/);
  });

  test('ports without a mac do not collide', () => {
    add('pa');
    expect(add('pb').added).toBe(true);
  });

  test('the limit is an error of its own, and an existing port is still answered', () => {
    add('pa');
    add('pb');
    expect(() => add('pc')).toThrow(expect.objectContaining({ code: 'USV_PORT_LIMIT' }));
    expect(existsSync(paths.portDir('pc'))).toBe(false);
    expect(add('pa').added).toBe(false);
  });

  test('the same specification again is the existing port', () => {
    const first = add('pa', macA);
    const second = add('pa', macA);
    expect([first.added, second.added]).toEqual([true, false]);
    expect(second.status.socketPath).toBe(paths.portSocket('pa'));
    expect(native.ports()).toHaveLength(1);
  });
});

describe('remove', () => {
  test('refuses a name that is none', () => {
    expect(() => ports.remove('../ports')).toThrow(expect.objectContaining({ code: 'USV_NAME' }));
  });

  test('is true once, then false', () => {
    add('pa');
    writeFileSync(join(paths.portDir('pa'), 'port.json'), '{}');
    expect(ports.remove('pa')).toEqual({ removed: true, kept: [] });
    expect(ports.remove('pa')).toEqual({ removed: false, kept: [] });
    expect(readdirSync(paths.portsDir)).toEqual([]);
  });

  test('removes the directory of a former switch', () => {
    mkdirSync(paths.portDir('pa'));
    writeFileSync(join(paths.portDir('pa'), 'port.json'), '{}');
    expect(ports.remove('pa')).toEqual({ removed: true, kept: [] });
  });
});

describe('list and close', () => {
  test('lists by name', () => {
    add('pb');
    add('pa');
    expect(ports.list().map(({ spec }) => spec.name)).toEqual(['pa', 'pb']);
  });

  test("close removes sockets and empty directories, and keeps pods' directories", () => {
    add('pa');
    add('pb');
    writeFileSync(join(paths.portDir('pb'), 'port.json'), '{}');
    ports.close();
    expect(readdirSync(paths.portsDir)).toEqual(['pb']);
    expect(readdirSync(paths.portDir('pb'))).toEqual(['port.json']);
    expect(native.ports()).toEqual([]);
  });
});
