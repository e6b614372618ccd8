// SPDX-License-Identifier: Apache-2.0
//
// What a container gets, and that a request which fails leaves nothing.

import { existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type AllocationOptions, allocate } from '../../../device-plugin/allocation.ts';
import { DevicePool } from '../../../device-plugin/pool.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let paths: HostPaths;
let options: AllocationOptions;

beforeEach(() => {
  paths = hostPaths(newRoot());
  options = {
    pool: new DevicePool({ prefix: 'port-', count: 16 }),
    resourceName: 'usvhost.io/port',
    paths,
    owner: { uid: undefined, gid: undefined, mode: 0o755 },
    slices: [],
    // A character device that every machine has.
    tunDevice: '/dev/null',
    log: pino({ level: 'silent' }),
  };
});

describe('failures', () => {
  test.each([
    ['an unknown device', [['port-0'], ['port-16']], 'USV_DEVICE_UNKNOWN'],
    ['a name attack', [['../../etc']], 'USV_DEVICE_UNKNOWN'],
    ['no device', [['port-0'], []], 'USV_USAGE'],
  ])('%s: nothing is made', (_, containers, code) => {
    expect(() => allocate(containers, options)).toThrow(expect.objectContaining({ code }));
    expect(existsSync(paths.podsDir)).toBe(false);
  });

  test("the last container's failure takes the others' directories back", () => {
    mkdirSync(paths.podsDir, { recursive: true });
    // A directory that rmdir(2) refuses would need a mount; a chown to nobody's uid needs root: so a name too many.
    const failing: AllocationOptions = {
      ...options,
      slices: ['shm-4Mi-0'],
      paths: {
        podsDir: paths.podsDir,
        podDir: (device) => (device === 'port-2' ? `${paths.podsDir}/missing/port-2` : paths.podDir(device)),
      },
    };
    expect(() => allocate([['port-0', 'port-1'], ['port-2']], failing)).toThrow(
      expect.objectContaining({ code: 'USV_IO' }),
    );
    expect(readdirSync(paths.podsDir)).toEqual([]);
  });
});

describe('a container gets', () => {
  test('one read-only mount, the tun device, and variables that name its devices', () => {
    expect(allocate([['port-3']], options)).toEqual([
      {
        envs: { USVHOST_CONTRACT: '1', USVHOST_DIR: '/var/run/usvhost', USVHOST_DEVICES: 'port-3' },
        mounts: [{ container_path: '/var/run/usvhost', host_path: paths.podDir('port-3'), read_only: true }],
        devices: [{ container_path: '/dev/net/tun', host_path: '/dev/null', permissions: 'rw' }],
        annotations: { 'usvhost.io/port': 'port-3' },
      },
    ]);
    expect(lstatSync(paths.podDir('port-3')).isDirectory()).toBe(true);
  });

  test('a place for each slice of the node, afresh each time', () => {
    const slices = ['shm-4Mi-0', 'hugepages-2Mi-1'];
    for (let times = 0; times < 2; times++) {
      allocate([['port-3']], { ...options, slices });
      expect(readdirSync(paths.podDir('port-3'))).toEqual(['mem']);
      expect(readdirSync(`${paths.podDir('port-3')}/mem`)).toEqual(slices.toSorted());
      writeFileSync(`${paths.podDir('port-3')}/of an older release`, '');
    }
  });

  test("the lowest device's directory for several devices, in whatever order they come", () => {
    for (const ids of [
      ['port-10', 'port-2'],
      ['port-2', 'port-10'],
    ]) {
      const [response] = allocate([ids], options);
      expect(response?.mounts).toMatchObject([{ host_path: paths.podDir('port-2') }]);
      expect(response?.envs).toMatchObject({ USVHOST_DEVICES: 'port-2,port-10' });
    }
  });

  test('its own directory beside other containers', () => {
    const responses = allocate([['port-0'], ['port-1']], options);
    expect(responses.map(({ mounts }) => mounts?.[0]?.host_path)).toEqual([
      paths.podDir('port-0'),
      paths.podDir('port-1'),
    ]);
  });

  test.each(['missing', 'a plain file'])('no tun device when the node has %s', (kind) => {
    const tunDevice = `${paths.root}/tun`;
    if (kind !== 'missing') writeFileSync(tunDevice, '');
    expect(allocate([['port-0']], { ...options, tunDevice })[0]?.devices).toEqual([]);
  });
});
