// SPDX-License-Identifier: Apache-2.0
//
// The commands for people on a real node with one pod: what they say while all is well.

import { afterAll, beforeAll, expect } from '@jest/globals';
import { type Pod, RealNode } from './node.ts';
import { missingFor, ourselves, testAs } from './person.ts';
import { type Exit, type Program, usvhost } from './program.ts';

const testHere = testAs(ourselves);
const able = missingFor(ourselves) === undefined;
let node: RealNode;
let pod: Pod;
let port = '';

beforeAll(async () => {
  if (!able) return;
  node = await RealNode.start();
  pod = await node.pod();
  expect((await node.cni('ADD', pod)).status).toBe(0);
  [port = ''] = (await node.control.portNames()).map(String);
}, 120_000);

afterAll(async () => {
  if (able) await node.close();
}, 60_000);

function run(...args: readonly string[]): Promise<Exit> {
  return usvhost(args, { stdin: '' }).ended();
}

/** Runs `body` while a dataplane has the port. */
async function connected(body: (driver: Program) => Promise<void>): Promise<void> {
  const driver = node.dataplane(port);
  await driver.says('link is up');
  await body(driver);
  await driver.stop();
}

testHere(
  'check: free, in use, and not there',
  async () => {
    const directory = node.paths.portDir(port);
    const free = await run('check', directory);
    expect([free.status, free.stderr]).toEqual([0, '']);
    expect(free.stdout).toMatch(/^ok +features +PROTOCOL_FEATURES, VERSION_1/m);
    expect(free.stdout).toMatch(/^--vdev net_virtio_user0,path=.*\/vhost\.sock,mac=02:.*,queue_size=256$/m);
    await connected(async () => {
      const { status, stdout } = await run('check', directory, '--json');
      expect(status).toBe(0);
      const busy = {
        what: 'back-end',
        state: 'note',
        says: expect.stringContaining('in use'),
        todo: expect.any(String),
      };
      expect(JSON.parse(stdout)).toMatchObject({ conforms: true, findings: expect.arrayContaining([busy]) });
    });
    const absent = await run('check', node.paths.portDir('none'));
    expect([absent.status, absent.stderr]).toEqual([1, '']);
    expect(absent.stdout).toContain('ENOENT');
  },
  120_000,
);
