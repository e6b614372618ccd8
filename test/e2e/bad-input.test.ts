// SPDX-License-Identifier: Apache-2.0
//
// Bad input to a running node, through its real sockets and the real CNI plugin: each is one error with a code of the table
// of errors, the node stays what it was, and whoever is connected stays connected.

import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals';
import { type ErrorCode, errorTable } from '../../lib/errors.ts';
import type { Port__Output } from '../../proto/gen/usvhost/switch/v1/Port.ts';
import { type Pod, RealNode } from './node.ts';
import { missingFor, ourselves, testAs } from './person.ts';
import type { Exit } from './program.ts';

const testHere = testAs(ourselves);
const able = missingFor(ourselves) === undefined;
let node: RealNode;
let pod: Pod;

beforeAll(async () => {
  if (!able) return;
  node = await RealNode.start();
  pod = await node.pod();
}, 60_000);

afterAll(async () => {
  if (able) await node.close();
}, 60_000);

afterEach(async () => {
  if (able) await node.clear();
});

/** One error object of the CNI specification on standard output, and nothing else. */
function expectCniError({ status, stdout, stderr }: Exit, code: ErrorCode, ...says: readonly string[]): void {
  expect([status, stderr]).toEqual([1, '']);
  const error = JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  expect(error).toEqual({
    cniVersion: expect.any(String),
    code: errorTable[code].cni,
    msg: expect.stringMatching(`^${code}: `),
    details: errorTable[code].next,
  });
  for (const text of says) expect(error['msg']).toContain(text);
}

describe('the CNI plugin', () => {
  const table: readonly (readonly [string, string | object, ErrorCode, readonly string[]])[] = [
    ['wrong JSON on standard input', '{"cniVersion":', 'USV_STDIN_JSON', []],
    ['JSON that is no object', '[]', 'USV_STDIN_JSON', ['[]']],
    ['an unknown cniVersion', { cniVersion: '2.0.0' }, 'USV_CNI_VERSION', ['2.0.0', '1.1.0']],
    ['an unknown field', { vlan: 7 }, 'USV_CNI_FIELD', ['vlan']],
    ['a device that was never allocated', { deviceID: 'port-none' }, 'USV_DEVICE_UNKNOWN', ['port-none']],
    // Then the kubelet is asked which the pod holds, and this one has no such service.
    ['no device', { deviceID: undefined }, 'USV_KUBELET', ['pod-resources']],
    ['an MTU out of range', { mtu: 10 }, 'USV_CONFIG', ['mtu', '68']],
    ['an endpoint that is none', { endpoint: 'memif' }, 'USV_CONFIG', ['endpoint', 'memif']],
  ];

  for (const [name, config, code, says] of table) {
    testHere(name, async () => {
      const before = node.state();
      expectCniError(await node.cni('ADD', pod, config), code, ...says);
      expect(node.state()).toEqual(before);
      expect(await node.control.portNames()).toEqual([]);
    });
  }

  testHere('an interface of a device that another container has', async () => {
    const before = node.state();
    expect((await node.cni('ADD', pod)).status).toBe(0);
    const attached = node.state();
    const names = await node.control.portNames();
    const intruder = { ...pod, containerId: 'intruder' };
    expectCniError(await node.cni('ADD', intruder), 'USV_PORT_OCCUPIED', 'net1', pod.device, pod.containerId);
    expectCniError(await node.cni('ADD', pod), 'USV_PORT_OCCUPIED', pod.containerId);
    expect(node.state()).toEqual(attached);
    expect(await node.control.portNames()).toEqual(names);
    expect((await node.cni('DEL', pod)).status).toBe(0);
    expect(node.state()).toEqual(before);
  });
});

describe('a second one on the root', () => {
  for (const role of ['switch', 'agent']) {
    testHere(role, async () => {
      const before = node.state();
      const { status, stderr } = await node.command(role).ended();
      expect(status).toBe(1);
      expect(stderr).toMatch(/^usvhost: USV_RUNNING: [^\n]*\n$/);
      expect(stderr).toContain(node.paths.root);
      expect(node.state()).toEqual(before);
      // The first one still answers.
      expect((await node.cni('STATUS', pod)).status).toBe(0);
    });
  }
});

describe('a port of the switch', () => {
  testHere('with another specification', async () => {
    await node.control.addPort({ name: 'taken', mtu: 1500 });
    const before = node.state();
    const refused = node.control.addPort({ name: 'taken', mtu: 9000 });
    await expect(refused).rejects.toMatchObject({ code: 'USV_PORT_OCCUPIED' });
    await expect(refused).rejects.toThrow(/expected 1500 for mtu of port taken.*got 9000/);
    const bad = node.control.addPort({ name: 'Bad Name' });
    await expect(bad).rejects.toMatchObject({ code: 'USV_NAME' });
    expect(node.state()).toEqual(before);
  });

  testHere(
    'whose socket is missing: the driver says so once, goes on and connects when it appears',
    async () => {
      const before = node.state();
      const driver = node.dataplane('late');
      await driver.says('USV_SOCKET_MISSING');
      expect(driver.count('link is up')).toBe(0);
      await node.control.addPort({ name: 'late' });
      await driver.says('link is up');
      expect(driver.count('No such file')).toBe(1);
      // The same process after the port was away.
      await node.control.removePort('late');
      await driver.says('USV_SOCKET_MISSING', 2);
      await node.control.addPort({ name: 'late' });
      await driver.says('link is up', 2);
      const { status, stderr } = await driver.stop();
      expect([status, stderr]).toEqual([0, expect.not.stringContaining('usvhost: ')]);
      await node.control.removePort('late');
      expect(node.state()).toEqual(before);
    },
  );

  testHere('that is in use: the second driver says so once and has it when the first is gone', async () => {
    await node.control.addPort({ name: 'shared' });
    const first = node.dataplane('shared');
    await first.says('link is up');
    const second = node.dataplane('shared');
    await second.says('USV_PORT_BUSY');
    expect(first.count('link is down')).toBe(0);
    await first.stop();
    await second.says('link is up');
    expect(second.count('USV_PORT_BUSY')).toBe(1);
    expect((await second.stop()).status).toBe(0);
  });
});

/** A vhost-user header: request, flags and size, little-endian (QEMU docs/interop/vhost-user.rst, "Header"). */
function message(request: number, size: number, payload = Buffer.alloc(0), flags = 1): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt32LE(request, 0);
  header.writeUInt32LE(flags, 4);
  header.writeUInt32LE(size, 8);
  return Buffer.concat([header, payload]);
}

/** Resolves when the other side has ended the connection, by whatever way: what it had not read makes it a reset. */
async function sendUntilClosed(path: string, bytes: Buffer): Promise<void> {
  const socket = connect(path);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined).resume();
  socket.write(bytes);
  await closed;
}

describe('a message to a port', () => {
  const getFeatures = 1;
  const setMemTable = 5;
  const setVringNum = 8;
  const table: readonly (readonly [string, Buffer])[] = [
    ['that has a payload and may have none', message(getFeatures, 8, Buffer.alloc(8))],
    ['that is shorter than its kind', message(setVringNum, 4, Buffer.alloc(4))],
    ['that is longer than its kind', message(setVringNum, 12, Buffer.alloc(12))],
    ['that claims 4 GiB', message(setVringNum, 0xffff_ffff)],
    ['without the memory it promises', message(setMemTable, 40, Buffer.from([1, ...Buffer.alloc(39)]))],
    ['of an unknown kind', message(99, 0)],
    ['of another version', message(getFeatures, 0, undefined, 2)],
    ['that is a reply', message(getFeatures, 0, undefined, 5)],
    ['of HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: switch\r\n\r\n')],
  ];

  for (const [name, bytes] of table) {
    testHere(`${name} ends that connection alone`, async () => {
      await node.control.addPort({ name: 'target' });
      await node.control.addPort({ name: 'bystander' });
      const other = node.dataplane('bystander');
      await other.says('link is up');
      const watch = node.control.watch();
      await sendUntilClosed(node.paths.portSocket('target'), bytes);
      let port: Port__Output | undefined;
      await watch.until(({ snapshot, changed }) => {
        // What has happened before the watch began is in its snapshot.
        const found = [...(snapshot?.ports ?? []), changed?.port].find(
          (each) => each?.spec?.name === 'target',
        );
        port = found ?? port;
        return port?.state === 'listening' && port.last_error !== '';
      });
      watch.cancel();
      expect(port).toMatchObject({ connections: '1', last_error: expect.stringMatching(/^USV_MESSAGE: /) });
      // The port takes the next one.
      const driver = node.dataplane('target');
      await driver.says('link is up');
      expect(other.count('link is down')).toBe(0);
    });
  }
});

describe('without', () => {
  testHere(
    'the switch an ADD fails, leaves nothing and works when there is one again',
    async () => {
      const before = node.state();
      await node.killSwitch();
      const dead = node.state();
      expectCniError(await node.cni('ADD', pod), 'USV_SWITCH_UNREACHABLE', 'switch');
      // 50 is "not available" (CNI 1.1.0, section 2, STATUS).
      const { stdout } = await node.cni('STATUS', pod);
      expect(JSON.parse(stdout)).toMatchObject({
        code: 50,
        msg: expect.stringContaining('USV_SWITCH_UNREACHABLE'),
      });
      expect(node.state()).toEqual(dead);
      await node.startSwitch();
      expect(node.state()).toEqual(before);
      expect((await node.cni('ADD', pod)).status).toBe(0);
      expect((await node.cni('DEL', pod)).status).toBe(0);
      expect(node.state()).toEqual(before);
    },
    30_000,
  );

  testHere(
    'the agent an ADD fails, leaves nothing and works when there is one again',
    async () => {
      const before = node.state();
      await node.killAgent();
      const dead = node.state();
      expectCniError(await node.cni('ADD', pod), 'USV_AGENT_UNREACHABLE', 'agent.sock');
      expect(node.state()).toEqual(dead);
      await node.startAgent();
      expect(node.state()).toEqual(before);
      expect((await node.cni('ADD', pod)).status).toBe(0);
      expect((await node.cni('DEL', pod)).status).toBe(0);
      expect(node.state()).toEqual(before);
    },
    30_000,
  );
});
