// SPDX-License-Identifier: Apache-2.0
//
// From configuration, device arguments and port.json to what the native dataplane gets: who wins, and what is said about
// a value that nobody gave.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { handlerPorts, nativeOptions } from '../../../dataplane/options.ts';
import { dataplaneConfigSchema } from '../../../lib/config/dataplane.ts';
import type { DataplaneOptions } from '../../../native/index.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';
import { contract } from './contract.ts';

const newRoot = temporaryRoots();
/** A socket without port.json. */
const bare = 'net_virtio_user0,path=/nonexistent/vhost.sock';
let root = '';
/** A port with the contract. */
let port = '';

beforeEach(() => {
  root = newRoot();
  mkdirSync(join(root, 'net1'));
  writeFileSync(join(root, 'net1', 'port.json'), JSON.stringify(contract));
  port = `net_virtio_user0,path=${root}`;
});

function options(config: Readonly<Record<string, unknown>>): DataplaneOptions {
  return nativeOptions(dataplaneConfigSchema.parse({ port: [port], ...config }));
}

describe('from port.json', () => {
  test('socket, ring size and the name of the tap', () => {
    expect(options({})).toMatchObject({
      ports: [
        { name: 'net_virtio_user0', path: join(root, 'net1', 'vhost.sock'), queueSize: 512, server: false },
      ],
      engine: { kind: 'tap', device: 'net1', node: '/dev/net/tun', multiQueue: false, offloads: true },
    });
  });

  test('the MAC address and the first IPv4 address', () => {
    expect(options({ engine: 'responder' }).engine).toEqual({
      kind: 'responder',
      mac: contract.mac,
      ip: '10.1.2.3',
    });
    expect(options({ engine: 'ping', target: '10.1.2.9' }).engine).toMatchObject({
      mac: contract.mac,
      source: '10.1.2.3',
      destination: '10.1.2.9',
      count: 10,
    });
    expect(options({ engine: 'txonly' }).engine).toMatchObject({
      sourceMac: contract.mac,
      destinationMac: 'ff:ff:ff:ff:ff:ff',
      running: false,
    });
  });

  test('the device arguments come before it, the configuration before both', () => {
    port = `net_virtio_user0,path=${root},mac=02:00:00:00:00:0b,queue_size=128`;
    expect(options({}).ports[0]).toMatchObject({ queueSize: 128 });
    expect(options({ engine: 'responder' }).engine).toMatchObject({ mac: '02:00:00:00:00:0b' });
    const all = { engine: 'responder', mac: '02:00:00:00:00:0c', ip: '10.9.9.9' };
    expect(options(all).engine).toMatchObject({ mac: '02:00:00:00:00:0c', ip: '10.9.9.9' });
    expect(options({ tap: 'tap7' }).engine).toMatchObject({ device: 'tap7' });
  });

  test('who listens, unless the device arguments say it', () => {
    writeFileSync(join(root, 'net1', 'port.json'), JSON.stringify({ ...contract, podRole: 'server' }));
    expect(options({}).ports[0]).toMatchObject({ server: true });
    expect(options({ port: [`eth_cvio0,path=${root}`] }).ports[0]).toMatchObject({ server: true });
    expect(options({ port: [`${port},server=0`] }).ports[0]).toMatchObject({ server: false });
    expect(options({ port: [`${bare},server=1`], engine: 'txonly' }).ports[0]).toMatchObject({
      server: true,
    });
    expect(options({ port: [bare], engine: 'txonly' }).ports[0]).toMatchObject({ server: false });
  });

  test('a ring larger than the driver makes is the largest', () => {
    writeFileSync(join(root, 'net1', 'port.json'), JSON.stringify({ ...contract, queueSize: 32_768 }));
    expect(options({}).ports[0]).toMatchObject({ queueSize: 4096 });
  });
});

describe('offers', () => {
  const all = { packed: false, inOrder: true, mergeable: false, indirect: true, eventIndex: false };

  test.each([
    ['tap', 1500, true],
    ['l2fwd', 2030, false],
    ['l2fwd', 2031, true],
    ['handler', 9000, true],
  ])('engine %s and an MTU of %d: mergeable buffers %s', (engine, mtu, mergeable) => {
    writeFileSync(join(root, 'net1', 'port.json'), JSON.stringify({ ...contract, mtu }));
    const handler = engine === 'handler' ? { handler: './x.ts' } : {};
    expect(options({ engine, ...handler }).ports[0]?.offers).toEqual({ ...all, mergeable });
  });

  test.each([
    [2048, false],
    [2049, true],
  ])('frames of %d bytes: mergeable buffers %s', (size, mergeable) => {
    expect(options({ port: [bare], engine: 'txonly', size }).ports[0]?.offers).toEqual({ ...all, mergeable });
  });

  test('are what the device arguments say', () => {
    port = `${port},packed_vq=1,in_order=0,mrg_rxbuf=0,indirect=0,event_idx=1`;
    expect(options({}).ports[0]?.offers).toEqual({
      packed: true,
      inOrder: false,
      mergeable: false,
      indirect: false,
      eventIndex: true,
    });
  });
});

describe('queue pairs', () => {
  const wish = (queues: number): void =>
    writeFileSync(join(root, 'net1', 'port.json'), JSON.stringify({ ...contract, queues }));

  test('are those of port.json, and the tap has as many queues', () => {
    wish(4);
    expect(options({})).toMatchObject({ ports: [{ queuePairs: 4 }], engine: { multiQueue: true } });
    wish(1);
    expect(options({})).toMatchObject({ ports: [{ queuePairs: 1 }], engine: { multiQueue: false } });
  });

  test('are at most what the driver can have, when the node wishes more', () => {
    wish(16);
    expect(options({}).ports[0]).toMatchObject({ queuePairs: 8 });
  });

  test('are those of the device arguments first; the tap stays as the node made it', () => {
    wish(4);
    port = `${port},queues=1`;
    expect(options({})).toMatchObject({ ports: [{ queuePairs: 1 }], engine: { multiQueue: true } });
    expect(options({ port: [`${bare},queues=2`], tap: 'tap0' })).toMatchObject({
      ports: [{ queuePairs: 2 }],
      engine: { multiQueue: true },
    });
    expect(options({ port: ['eth_cvio0,path=/s,rx=3,tx=3'], engine: 'txonly' }).ports[0]).toMatchObject({
      queuePairs: 3,
    });
  });

  test.each(['ping', 'handler'])('are one with engine %s, whatever the node wishes', (engine) => {
    wish(4);
    const config = { engine, target: '10.1.2.9', handler: 'handler.ts' };
    expect(options(config).ports[0]).toMatchObject({ queuePairs: 1 });
    const asked = (): unknown => options({ ...config, port: [`${port},queues=2`] });
    expect(asked).toThrow(expect.objectContaining({ code: 'USV_DEVARG' }));
    expect(asked).toThrow(`1 with engine ${engine}`);
  });

  test('are the same for both ports', () => {
    const two = [`${bare},queues=2`, 'net_virtio_user1,path=/nonexistent/other.sock'];
    const unequal = (): unknown => options({ port: two, engine: 'l2fwd' });
    expect(unequal).toThrow(expect.objectContaining({ code: 'USV_DEVARG' }));
    expect(unequal).toThrow('2 and 1');
  });
});

describe('without port.json', () => {
  beforeEach(() => {
    port = bare;
  });

  test('engines that need no address run', () => {
    expect(options({ engine: 'l2fwd' })).toMatchObject({
      ports: [{ path: '/nonexistent/vhost.sock', queueSize: 256 }],
      engine: { kind: 'l2fwd', mode: 'swap' },
    });
    expect(options({ engine: 'rxonly' }).engine).toMatchObject({ kind: 'rxonly', verify: false });
    expect(options({ engine: 'txonly' }).engine).toMatchObject({ sourceMac: '02:00:00:00:00:01', size: 64 });
  });

  test('a tap has larger rings than the other engines, for its larger frames', () => {
    expect(options({ tap: 'tap0' }).ports[0]).toMatchObject({ queueSize: 2048 });
    port = `${bare},queue_size=256`;
    expect(options({ tap: 'tap0' }).ports[0]).toMatchObject({ queueSize: 256 });
  });

  const ip = '10.0.0.1';
  const mac = '02:00:00:00:00:01';
  test.each([
    ['required', { engine: 'responder', ip }],
    ['required', { engine: 'ping', ip, target: '10.0.0.2' }],
    ['required', { engine: 'l2fwd', rewrite: true, peerMac: '02:00:00:00:00:02' }],
    ['used', { tap: 'tap0' }],
    ['used', { engine: 'txonly' }],
    ['ignored', { engine: 'l2fwd' }],
    ['ignored', { engine: 'rxonly' }],
    ['ignored', { engine: 'handler', handler: 'handler.ts' }],
    ['ignored', { engine: 'responder', ip, mac }],
    ['ignored', { engine: 'txonly', mac }],
    ['ignored', { tap: 'tap0', mac }],
  ])("the back-end's address is %s: %j", (backEndMac, config) => {
    expect(options(config).ports).toMatchObject([{ backEndMac }]);
  });

  test("one that is given with the port comes before the back-end's; of two ports only the first is asked", () => {
    const given = `net_virtio_user0,path=/nonexistent/vhost.sock,mac=${mac}`;
    expect(options({ engine: 'txonly', port: [given] }).ports).toMatchObject([{ backEndMac: 'ignored' }]);
    const two = [0, 1].map((index) => `net_virtio_user${index},path=/nonexistent/vhost.sock`);
    const rewriting = { engine: 'l2fwd', rewrite: true, peerMac: '02:00:00:00:00:02' };
    expect(options({ ...rewriting, port: two }).ports).toMatchObject([
      { backEndMac: 'required' },
      { backEndMac: 'ignored' },
    ]);
  });

  test.each([
    ['the tap without a name', {}, '--tap'],
    ['responder without IP', { engine: 'responder', mac: '02:00:00:00:00:01' }, '--ip'],
    ['ping without IP', { engine: 'ping', mac: '02:00:00:00:00:01', target: '10.0.0.2' }, '--ip'],
    ['ping without target', { engine: 'ping', mac: '02:00:00:00:00:01', ip: '10.0.0.1' }, '--target'],
    ['handler without module', { engine: 'handler' }, '--handler'],
    ['rewriting without peer', { engine: 'l2fwd', rewrite: true, mac: '02:00:00:00:00:01' }, '--peer-mac'],
  ])('%s names the flag', (_, config, flag) => {
    expect(() => options(config)).toThrow(expect.objectContaining({ code: 'USV_CONFIG', exitCode: 2 }));
    expect(() => options(config)).toThrow(`expected ${flag}`);
    expect(() => options(config)).toThrow('got nothing');
  });

  test.each(['a/b', 'x'.repeat(16), '..', 'a b'])('a tap cannot be named %j', (tap) => {
    expect(() => options({ tap })).toThrow(expect.objectContaining({ code: 'USV_NAME' }));
  });
});

describe('ports', () => {
  test('two keep their order', () => {
    const both = [port, 'eth_cvio1,path=/nonexistent/vhost.sock,queue_num=64'];
    expect(options({ port: both, engine: 'l2fwd' }).ports).toMatchObject([
      { name: 'net_virtio_user0', queueSize: 512 },
      { name: 'eth_cvio1', queueSize: 64 },
    ]);
  });

  test('two of one name', () => {
    expect(() => options({ port: [port, bare], engine: 'l2fwd' })).toThrow(
      expect.objectContaining({ code: 'USV_DEVARG' }),
    );
    expect(() => options({ port: [port, bare], engine: 'l2fwd' })).toThrow('net_virtio_user0 twice');
  });
});

test('what a handler is told of its ports', () => {
  const config = { port: [port, bare.replace('user0', 'user1')], engine: 'handler', handler: 'filter.ts' };
  expect(options(config).engine).toEqual({ kind: 'handler' });
  expect(handlerPorts(dataplaneConfigSchema.parse(config))).toEqual([
    { name: 'net_virtio_user0', ifname: 'net1', mac: contract.mac, ips: contract.ips, mtu: 1500 },
    { name: 'net_virtio_user1', ifname: undefined, mac: undefined, ips: [], mtu: undefined },
  ]);
});

test.each([
  ['memfd', { kind: 'memfd', place: '' }],
  ['shm', { kind: 'shm', place: '' }],
  ['shm:/dev/shm/mine', { kind: 'shm', place: '/dev/shm/mine' }],
  ['hugetlbfs:/dev/hugepages', { kind: 'hugetlbfs', place: '/dev/hugepages' }],
  ['file:/var/run/usvhost/mem/shm-64Mi-0', { kind: 'file', place: '/var/run/usvhost/mem/shm-64Mi-0' }],
  ['shm:/with:colon', { kind: 'shm', place: '/with:colon' }],
])('memory %s', (memory, expected) => {
  expect(options({ memory }).memory).toEqual(expected);
});
