// SPDX-License-Identifier: Apache-2.0
//
// Port directories outlive a switch, and nothing a pod puts into one is followed or makes a removal fail.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  openPortDirectory,
  preparePortDirectory,
  removeEmpty,
  removePortDirectory,
} from '../../../switch/port-directory.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const newRoot = temporaryRoots();
let root = '';
let directory = '';
let umask = 0;

beforeEach(() => {
  root = newRoot();
  directory = join(root, 'p1');
  umask = process.umask(0o077);
});

afterEach(() => {
  process.umask(umask);
});

describe('preparePortDirectory', () => {
  test.each(['file', 'link'])('refuses a %s in its place', (kind) => {
    if (kind === 'file') writeFileSync(directory, '');
    else symlinkSync(root, directory);
    expect(() => preparePortDirectory(directory)).toThrow(expect.objectContaining({ code: 'USV_IO' }));
  });

  test('names the directory when its parent is missing', () => {
    expect(() => preparePortDirectory(join(directory, 'x'))).toThrow(directory);
  });

  test('makes it 0755 whatever the umask is', () => {
    expect(preparePortDirectory(directory)).toBe(true);
    expect(statSync(directory).mode & 0o777).toBe(0o755);
  });

  test('takes over the directory of a former switch: same inode, port.json kept, old socket gone', () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'port.json'), '{}');
    writeFileSync(join(directory, 'vhost.sock'), '');
    const { ino } = statSync(directory);
    expect(preparePortDirectory(directory)).toBe(false);
    expect(statSync(directory).ino).toBe(ino);
    expect(readdirSync(directory)).toEqual(['port.json']);
  });

  test('removes a link in place of the socket, not what it points to', () => {
    const target = join(root, 'precious');
    writeFileSync(target, 'x');
    mkdirSync(directory);
    symlinkSync(target, join(directory, 'vhost.sock'));
    preparePortDirectory(directory);
    expect(readFileSync(target, 'utf8')).toBe('x');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('says so when a pod has put a directory in place of the socket', () => {
    mkdirSync(join(directory, 'vhost.sock'), { recursive: true });
    expect(() => preparePortDirectory(directory)).toThrow(expect.objectContaining({ code: 'USV_IO' }));
  });
});

describe('openPortDirectory', () => {
  const anybody = { mode: 0o777, uid: undefined, gid: undefined };

  test("makes it the pod's to write whatever the umask is, and its port.json nobody's to remove", () => {
    expect(openPortDirectory(directory, anybody)).toBe(true);
    expect(statSync(directory).mode & 0o7777).toBe(0o1777);
  });

  test("takes over the directory of a former switch with the pod's socket in it", () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'vhost.sock'), '');
    expect(openPortDirectory(directory, { ...anybody, mode: 0o750 })).toBe(false);
    expect(statSync(directory).mode & 0o7777).toBe(0o1750);
    expect(readdirSync(directory)).toEqual(['vhost.sock']);
  });

  test('gives it to the owner that is asked for', () => {
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    openPortDirectory(directory, { mode: 0o755, uid, gid });
    expect(statSync(directory)).toMatchObject({ uid, gid });
  });

  test('refuses a link in its place', () => {
    symlinkSync(root, directory);
    const { mode } = statSync(root);
    expect(() => openPortDirectory(directory, anybody)).toThrow(expect.objectContaining({ code: 'USV_IO' }));
    expect(statSync(root).mode).toBe(mode);
  });

  test('whatever a pod leaves in it goes with it', () => {
    openPortDirectory(directory, anybody);
    mkdirSync(join(directory, 'vhost.sock/a/b'), { recursive: true });
    writeFileSync(join(directory, 'port.json'), '{}');
    writeFileSync(join(directory, 'vhost.sock/a/b/file'), '');
    expect(removePortDirectory(directory)).toEqual({ removed: true, kept: [] });
  });
});

describe('removePortDirectory', () => {
  test('absent is a success', () => {
    expect(removePortDirectory(directory)).toEqual({ removed: false, kept: [] });
  });

  test('removes our two files and the directory', () => {
    mkdirSync(directory);
    for (const name of ['vhost.sock', 'port.json']) writeFileSync(join(directory, name), '');
    expect(removePortDirectory(directory)).toEqual({ removed: true, kept: [] });
    expect(existsSync(directory)).toBe(false);
  });

  test('keeps names that are not ours and says which', () => {
    mkdirSync(join(directory, 'port.json'), { recursive: true });
    writeFileSync(join(directory, 'stranger'), '');
    writeFileSync(join(directory, 'vhost.sock'), '');
    const { removed, kept } = removePortDirectory(directory);
    expect(removed).toBe(false);
    expect([...kept].sort()).toEqual(['port.json', 'stranger']);
  });
});

test('removeEmpty leaves a directory in use by a pod', () => {
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  writeFileSync(join(directory, 'port.json'), '{}');
  expect(removeEmpty(directory)).toEqual({ removed: false, kept: ['port.json'] });
  expect(existsSync(join(directory, 'port.json'))).toBe(true);
});
