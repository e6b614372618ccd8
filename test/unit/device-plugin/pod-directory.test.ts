// SPDX-License-Identifier: Apache-2.0
//
// Pod directories: owner and mode, leftovers of former pods, and names that must not lead elsewhere. With a real bind
// mount where this process may make one.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  isVacant,
  leadDevice,
  linkPodDirectory,
  makePodDirectory,
} from '../../../device-plugin/pod-directory.ts';
import { type HostPaths, hostPaths } from '../../../lib/names.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { needs } from '../../support/need.ts';

const newRoot = temporaryRoots();
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o751 };
let paths: HostPaths;

beforeEach(() => {
  paths = hostPaths(newRoot());
});

const make = (device: string) => makePodDirectory(paths, device, owner);

describe('makePodDirectory', () => {
  test.each(['../x', '..', 'a/b', '', 'a\0'])('refuses the device %j', (device) => {
    expect(() => make(device)).toThrow(expect.objectContaining({ code: 'USV_NAME' }));
    expect(existsSync(paths.podsDir)).toBe(false);
  });

  test('names the directory when it cannot be made', () => {
    mkdirSync(paths.runDir, { recursive: true });
    writeFileSync(paths.podsDir, 'in the way');
    expect(() => make('port-0')).toThrow(expect.objectContaining({ code: 'USV_IO' }));
    expect(() => make('port-0')).toThrow(paths.podDir('port-0'));
  });

  test('makes it with owner and mode whatever the umask is, and undoes it', () => {
    const umask = process.umask(0o077);
    const undo = make('port-0');
    process.umask(umask);
    const stat = statSync(paths.podDir('port-0'));
    expect([stat.mode & 0o777, stat.uid, stat.gid]).toEqual([owner.mode, owner.uid, owner.gid]);
    undo();
    expect(readdirSync(paths.podsDir)).toEqual([]);
  });

  test('empties what a former pod left, without following its links', () => {
    const precious = join(newRoot(), 'precious');
    writeFileSync(precious, 'x');
    make('port-0');
    const directory = paths.podDir('port-0');
    mkdirSync(join(directory, 'net1', 'deep'), { recursive: true });
    writeFileSync(join(directory, 'net1', 'deep', 'file'), '');
    symlinkSync(precious, join(directory, 'link'));
    symlinkSync(join(precious, '..'), join(directory, 'up'));
    make('port-0');
    expect(readdirSync(directory)).toEqual([]);
    expect(readFileSync(precious, 'utf8')).toBe('x');
  });

  test('replaces a link of a former use by a directory of its own', () => {
    make('port-0');
    linkPodDirectory(paths, 'port-1', 'port-0');
    make('port-1');
    expect(lstatSync(paths.podDir('port-1')).isDirectory()).toBe(true);
  });
});

describe('linkPodDirectory and leadDevice', () => {
  test('a device that was never allocated has no lead', () => {
    expect(leadDevice(paths, 'port-0')).toBeUndefined();
    expect(() => leadDevice(paths, '../x')).toThrow(expect.objectContaining({ code: 'USV_NAME' }));
  });

  test('every device of a container leads to the same directory', () => {
    make('port-0');
    const undo = linkPodDirectory(paths, 'port-3', 'port-0');
    expect(readlinkSync(paths.podDir('port-3'))).toBe('port-0');
    expect(['port-0', 'port-3'].map((device) => leadDevice(paths, device))).toEqual(['port-0', 'port-0']);
    undo();
    expect(leadDevice(paths, 'port-3')).toBeUndefined();
  });

  test('a directory of a former use, and another lead, are replaced', () => {
    make('port-3');
    writeFileSync(join(paths.podDir('port-3'), 'left'), '');
    linkPodDirectory(paths, 'port-3', 'port-0');
    linkPodDirectory(paths, 'port-3', 'port-1');
    expect(leadDevice(paths, 'port-3')).toBe('port-1');
  });
});

describe('with a port bound in it', () => {
  /** Runs a script in a mount namespace of its own, where `port-0` has a bind mount on net1. Returns what it prints. */
  function withBind(script: string): string {
    make('port-0');
    const point = join(paths.podDir('port-0'), 'net1');
    const port = join(paths.runDir, 'p1');
    mkdirSync(port);
    writeFileSync(join(port, 'port.json'), '{}');
    mkdirSync(point);
    const file = join(paths.runDir, 'script.ts');
    const url = (path: string) => new URL(`../../../${path}`, import.meta.url).href;
    writeFileSync(
      file,
      `import { isVacant, linkPodDirectory, makePodDirectory } from '${url('device-plugin/pod-directory.ts')}';
       import { hostPaths } from '${url('lib/names.ts')}';
       const paths = hostPaths(${JSON.stringify(paths.root)});
       const owner = ${JSON.stringify(owner)};
       const attempt = (action) => { try { action(); return 'done'; } catch (error) { return error.message; } };
       console.log(JSON.stringify(${script}));`,
    );
    const command = 'mount --bind "$1" "$2" && exec "$3" --no-warnings "$4"';
    const args = [
      '-rm',
      '--propagation',
      'private',
      'sh',
      '-ec',
      command,
      'sh',
      port,
      point,
      process.execPath,
      file,
    ];
    return execFileSync('unshare', args, { encoding: 'utf8' });
  }

  needs('unshare')(
    'the device is not vacant, is refused by name of the mount point, and the port stays whole',
    () => {
      const result: unknown = JSON.parse(
        withBind(
          `[isVacant(paths, 'port-0'), attempt(() => makePodDirectory(paths, 'port-0', owner)),
          attempt(() => linkPodDirectory(paths, 'port-0', 'port-1')), isVacant(paths, 'port-1')]`,
        ),
      );
      const point = join(paths.podDir('port-0'), 'net1');
      expect(result).toEqual([
        false,
        expect.stringContaining('USV_PORT_OCCUPIED'),
        expect.stringContaining(point),
        true,
      ]);
      expect(readdirSync(join(paths.runDir, 'p1'))).toEqual(['port.json']);
    },
  );
});

test('a device without a directory, or with an empty one, is vacant', () => {
  expect(isVacant(paths, 'port-0')).toBe(true);
  make('port-0');
  expect(isVacant(paths, 'port-0')).toBe(true);
});
