// SPDX-License-Identifier: Apache-2.0
//
// What a path of a device argument means, against real files.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { findPort } from '../../../dataplane/port-directory.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { contract } from './contract.ts';

const newRoot = temporaryRoots();

function write(path: string, text = ''): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** A pod's mount point with ports of these names. */
function mountPoint(...names: readonly string[]): string {
  const root = newRoot();
  for (const ifname of names) write(join(root, ifname, 'port.json'), JSON.stringify({ ...contract, ifname }));
  return root;
}

describe('without port.json', () => {
  test('a socket is itself', () => {
    const socketPath = write(join(newRoot(), 'any.sock'));
    expect(findPort(socketPath)).toEqual({ socketPath, contract: undefined });
  });

  test('a path that does not exist yet is a socket that will', () => {
    const socketPath = join(newRoot(), 'later', 'vhost.sock');
    expect(findPort(socketPath)).toEqual({ socketPath, contract: undefined });
  });

  test('a directory is vhost.sock in it, there or not', () => {
    const root = newRoot();
    const expected = { socketPath: join(root, 'vhost.sock'), contract: undefined };
    expect(findPort(root)).toEqual(expected);
    write(join(root, 'vhost.sock'));
    expect(findPort(root)).toEqual(expected);
  });

  test('directories below that are no ports do not count', () => {
    const root = newRoot();
    mkdirSync(join(root, 'mem'));
    write(join(root, 'file'));
    symlinkSync('/nonexistent', join(root, 'dangling'));
    mkdirSync(join(root, 'odd', 'port.json'), { recursive: true });
    expect(findPort(root).socketPath).toBe(join(root, 'vhost.sock'));
  });
});

describe('with port.json', () => {
  test.each([
    ['the socket', (root: string) => join(root, 'net1', 'vhost.sock')],
    ['its directory', (root: string) => join(root, 'net1')],
    ['the mount point of one port', (root: string) => root],
  ])('%s', (_, path) => {
    const root = mountPoint('net1');
    expect(findPort(path(root))).toEqual({ socketPath: join(root, 'net1', 'vhost.sock'), contract });
  });

  test('a socket in the directory itself comes before ports below', () => {
    const root = mountPoint('net1', 'net2');
    const socketPath = write(join(root, 'vhost.sock'));
    expect(findPort(root)).toEqual({ socketPath, contract: undefined });
  });

  test('keys of a newer node are ignored', () => {
    const root = newRoot();
    write(join(root, 'port.json'), JSON.stringify({ ...contract, shape: 7 }));
    expect(findPort(root).contract).toEqual(contract);
  });

  test('the mount point of two ports is an error that names both', () => {
    const root = mountPoint('net2', 'net1');
    expect(() => findPort(root)).toThrow(expect.objectContaining({ code: 'USV_DEVARG' }));
    expect(() => findPort(root)).toThrow(`${join(root, 'net1')}, ${join(root, 'net2')}`);
  });

  test.each([
    ['no JSON', '{', 'expected JSON'],
    ['nothing', '', 'expected JSON'],
    ['no object', '[]', 'port.json'],
    ['another version', JSON.stringify({ ...contract, version: 2 }), 'version of '],
    ['another role', JSON.stringify({ ...contract, podRole: 'both' }), 'podRole of '],
    [
      'a socket without its pod path',
      JSON.stringify({ ...contract, socket: { host: '/s' } }),
      'socket.pod of ',
    ],
    ['a MAC that is none', JSON.stringify({ ...contract, mac: 'xx' }), 'mac of '],
    ['a queue of one', JSON.stringify({ ...contract, queueSize: 1 }), 'queueSize of '],
  ])('that holds %s', (_, text, says) => {
    const file = write(join(newRoot(), 'port.json'), text);
    expect(() => findPort(dirname(file))).toThrow(
      expect.objectContaining({ code: 'USV_CONFIG', exitCode: 2 }),
    );
    expect(() => findPort(dirname(file))).toThrow(says);
    expect(() => findPort(dirname(file))).toThrow(file);
  });

  test('that cannot be read', () => {
    const root = newRoot();
    mkdirSync(join(root, 'port.json'));
    expect(() => findPort(root)).toThrow(expect.objectContaining({ code: 'USV_IO' }));
  });
});

describe('the limit of socket paths', () => {
  /** A path of so many bytes below the root, with components that a file system takes. */
  function pathOf(bytes: number, root = newRoot()): string {
    return join(root, 'é'.repeat(20), 'x'.repeat(bytes - Buffer.byteLength(root) - 42));
  }

  test('107 bytes are a path', () => {
    const path = pathOf(107);
    expect(Buffer.byteLength(path)).toBe(107);
    expect(findPort(path).socketPath).toBe(path);
  });

  const tooLong = expect.objectContaining({ code: 'USV_SOCKET_PATH', exitCode: 2 });

  test('108 bytes are not', () => {
    expect(() => findPort(pathOf(108))).toThrow(tooLong);
    expect(() => findPort(pathOf(108))).toThrow('got 108: ');
  });

  test('a directory with room for its own name only', () => {
    const directory = pathOf(107);
    mkdirSync(directory, { recursive: true });
    expect(() => findPort(directory)).toThrow(tooLong);
  });

  test('a name that no file system takes', () => {
    expect(() => findPort(`/${'x'.repeat(5000)}`)).toThrow(tooLong);
  });
});

test('a path that cannot be looked at is an error of ours', () => {
  const root = newRoot();
  symlinkSync('loop', join(root, 'loop'));
  expect(() => findPort(join(root, 'loop'))).toThrow(expect.objectContaining({ code: 'USV_IO' }));
  expect(() => findPort(join(root, 'loop'))).toThrow('ELOOP');
});
