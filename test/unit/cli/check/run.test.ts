// SPDX-License-Identifier: Apache-2.0
//
// A port's directory that conforms, and each way in which one does not.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { findingLines } from '../../../../cli/check/finding.ts';
import { largestDocument } from '../../../../cli/check/port-json.ts';
import { type CheckOptions, checkPort, type PortCheck } from '../../../../cli/check/run.ts';
import { backEnds, offering } from '../../../fakes/back-end.ts';
import { temporaryRoots } from '../../../fakes/temporary-root.ts';
import { contract } from '../../dataplane/contract.ts';

const newRoot = temporaryRoots();
const listen = backEnds();
const features = 0x1_4000_0000n;

/** A directory as a pod sees it, its port.json with `more` over a good one; a back-end that offers what ours does. */
async function port(
  more: Readonly<Record<string, unknown>> = {},
  serve = offering(features, 9n),
): Promise<string> {
  const directory = join(newRoot(), 'net1');
  mkdirSync(directory);
  const socket = { ...contract.socket, pod: join(directory, 'vhost.sock') };
  writeFileSync(join(directory, 'port.json'), JSON.stringify({ ...contract, socket, ...more }));
  await listen(join(directory, 'vhost.sock'), serve);
  return directory;
}

function check(directory: string, options: CheckOptions = {}): Promise<PortCheck> {
  return checkPort(directory, { interfaces: () => ['lo', 'net1'], ...options });
}

function only(result: PortCheck, state: string): string[] {
  return result.findings.filter((finding) => finding.state === state).map(({ what }) => what);
}

/** What is wrong, which must be one thing with something to do about it. */
function oneWrong(result: PortCheck): { readonly what: string; readonly says: string } {
  expect([result.conforms, only(result, 'wrong')]).toEqual([false, [expect.any(String)]]);
  const finding = result.findings.find(({ state }) => state === 'wrong');
  expect(finding?.todo).toMatch(/\w+/);
  return { what: finding?.what ?? '', says: finding?.says ?? '' };
}

test('a port that conforms', async () => {
  const directory = await port();
  const result = await check(directory);
  expect([result.conforms, only(result, 'ok').length]).toEqual([true, result.findings.length]);
  expect(result.offers).toEqual({
    virtio: ['PROTOCOL_FEATURES', 'VERSION_1'],
    protocol: ['MQ', 'REPLY_ACK'],
  });
  expect(result.devargs).toBe(
    `net_virtio_user0,path=${directory}/vhost.sock,mac=02:00:00:00:00:0a,queue_size=512`,
  );
});

test('a port in use is no fault', async () => {
  const result = await check(await port({}, (socket) => socket.destroy()));
  expect([result.conforms, only(result, 'note')]).toEqual([true, ['back-end']]);
});

test('whether a port has a driver, from its mount point too', async () => {
  expect(await check(await port())).toMatchObject({ conforms: true, connected: false });
  const used = await port({}, (socket) => socket.destroy());
  expect(await check(used)).toMatchObject({ conforms: true, connected: true });
  expect(await check(dirname(used))).toMatchObject({ directory: used, conforms: true, connected: true });
  expect(await check(join(used, 'none'))).toMatchObject({ conforms: false, connected: false });
});

test('from the node the directory has the name of the port, and the tap cannot be seen', async () => {
  const directory = join(newRoot(), 'p0123456789abcd');
  mkdirSync(directory);
  writeFileSync(join(directory, 'port.json'), JSON.stringify(contract));
  await listen(join(directory, 'vhost.sock'), offering(features));
  const result = await check(directory);
  expect([result.conforms, only(result, 'skipped')]).toEqual([true, ['tap']]);
});

test('a pod that listens makes the socket itself, and nobody else connects to it', async () => {
  const directory = await port({ podRole: 'server' }, () => {
    throw new Error('nobody may connect');
  });
  const result = await check(directory);
  expect([result.conforms, only(result, 'ok').length]).toEqual([true, result.findings.length]);
  expect(result.devargs).toContain(',server=1');
  rmSync(join(directory, 'vhost.sock'));
  expect(only(await check(directory), 'note')).toEqual(['socket']);
});

describe('what is wrong in port.json', () => {
  test.each([
    ['the version', { version: 2 }, 'port.json', 'version'],
    ['a key that is missing', { mac: undefined }, 'port.json', 'mac'],
    ['another name', { ifname: 'net2' }, 'name', 'net2'],
    ['a group MAC', { mac: '03:00:00:00:00:01' }, 'MAC', 'group'],
    ['no MAC', { mac: '00:00:00:00:00:00' }, 'MAC', 'no address'],
    ['an MTU too small for IPv6', { mtu: 1279 }, 'MTU', '1280'],
    ['a ring of no power of two', { queueSize: 300 }, 'queues', '300'],
    ['an address without a prefix', { ips: ['10.1.2.3'] }, 'addresses', '10.1.2.3'],
    ['an address twice', { ips: ['fd00::1/64', 'fd00:0::1/64'] }, 'addresses', 'twice'],
  ])('%s', async (_, more, what, says) => {
    const directory = await port();
    // A name that is wrong makes the pod's path wrong as well, which is another finding.
    const pod = `/var/run/usvhost/${'ifname' in more ? more.ifname : 'net1'}/vhost.sock`;
    const socket = { ...contract.socket, pod };
    writeFileSync(join(directory, 'port.json'), JSON.stringify({ ...contract, socket, ...more }));
    const found = oneWrong(await check(directory));
    expect(found.what).toBe(what);
    expect(found.says).toContain(says);
  });

  test('a path over the limit', async () => {
    const pod = `/${'d'.repeat(100)}/net1/vhost.sock`;
    const result = await check(await port({ socket: { ...contract.socket, pod } }));
    expect(oneWrong(result)).toMatchObject({ what: 'socket paths', says: expect.stringContaining('107') });
  });
});

describe('what is no port.json', () => {
  test.each([
    ['nothing', () => undefined, 'ENOENT'],
    ['no JSON', (path: string) => writeFileSync(path, '{'), 'no JSON'],
    ['too much', (path: string) => writeFileSync(path, Buffer.alloc(largestDocument + 1)), 'over 65536'],
    ['a link', (path: string) => symlinkSync('/etc/passwd', path), 'symbolic link'],
    ['a directory', (path: string) => mkdirSync(path), 'not a plain file'],
    ['a pipe', (path: string) => void spawnSync('mkfifo', [path]), 'not a plain file'],
  ])('%s', async (_, make, says) => {
    const directory = await port();
    const path = join(directory, 'port.json');
    rmSync(path);
    make(path);
    const result = await check(directory);
    expect(oneWrong(result)).toEqual({ what: 'port.json', says: expect.stringContaining(says) });
    expect(result.devargs).toBeUndefined();
  });
});

describe('what is wrong besides', () => {
  test('no directory, and a link to one', async () => {
    const root = newRoot();
    expect(oneWrong(await check(join(root, 'none')))).toMatchObject({ what: 'directory' });
    symlinkSync(await port(), join(root, 'net1'));
    expect(oneWrong(await check(join(root, 'net1')))).toMatchObject({ what: 'directory' });
  });

  test('no socket, and another file in its place', async () => {
    const directory = await port();
    rmSync(join(directory, 'vhost.sock'));
    expect(oneWrong(await check(directory))).toMatchObject({
      what: 'socket',
      says: expect.stringContaining('ENOENT'),
    });
    writeFileSync(join(directory, 'vhost.sock'), '');
    expect(oneWrong(await check(directory))).toMatchObject({ what: 'socket' });
  });

  test('a back-end of another age', async () => {
    expect(oneWrong(await check(await port({}, offering(1n << 15n))))).toMatchObject({
      what: 'features',
      says: 'MRG_RXBUF: no VERSION_1',
    });
  });

  test('a back-end that says nothing', async () => {
    const result = await check(await port({}, () => undefined), { millis: 50 });
    expect(oneWrong(result)).toMatchObject({ what: 'back-end', says: 'no answer within 50 ms' });
  });

  test('a tap that is gone', async () => {
    const result = await check(await port(), { interfaces: () => ['lo', 'net10'] });
    expect(oneWrong(result)).toMatchObject({ what: 'tap' });
  });
});

test('what a pod wrote cannot move the cursor', () => {
  const lines = findingLines([{ what: 'x', state: 'wrong', says: 'a\x1b[2Jb\nc', todo: 'd' }]);
  expect(lines).toBe('wrong  x  a?[2Jb?c\n          → d\n');
});
