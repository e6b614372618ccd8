// SPDX-License-Identifier: Apache-2.0
//
// The commands for people on a real node with one pod: what they say while all is well, and when something is broken.

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
    expect(free.stdout).toMatch(/^ok +features +.*PROTOCOL_FEATURES, VERSION_1/m);
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

testHere(
  'ports: the pod, its driver and what it negotiated',
  async () => {
    await connected(async () => {
      const { status, stdout, stderr } = await run('ports', '--root', node.paths.root, '--json');
      expect([status, stderr]).toEqual([0, '']);
      expect(JSON.parse(stdout)).toEqual({
        ports: [
          expect.objectContaining({
            port,
            state: 'up',
            peer: true,
            ifname: 'net1',
            pod: { namespace: 'default', name: 'app-0' },
            features: expect.arrayContaining(['VERSION_1']),
            tx: { packetsPerSecond: 0, bitsPerSecond: 0 },
            drops: {},
          }),
        ],
      });
    });
    const watching = usvhost(['ports', '--root', node.paths.root, '--watch'], { stdin: '' });
    await watching.until(() => watching.stdout.split('default/app-0').length > 2, 'it had looked twice');
    expect((await watching.stop('SIGINT')).status).toBe(0);
  },
  120_000,
);

interface Diagnosis {
  readonly healthy: boolean;
  readonly firstBroken: { readonly what: string; readonly says: string; readonly todo: string } | null;
}

async function doctor(...args: readonly string[]): Promise<Diagnosis> {
  const { status, stdout, stderr } = await node.inside(
    'doctor',
    '--root',
    node.paths.root,
    '--json',
    ...args,
  );
  expect(stderr).toBe('');
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  expect(status).toBe(diagnosis.healthy ? 0 : 1);
  return diagnosis;
}

testHere(
  'doctor: each broken link by name, and what is left',
  async () => {
    expect((await doctor()).firstBroken).toMatchObject({ what: 'CNI plugin' });
    expect((await run('install', '--root', node.paths.root)).status).toBe(0);
    await connected(async () => {
      expect((await doctor('--pod', 'default/app-0')).firstBroken).toBeNull();
      expect((await doctor('--port', port)).firstBroken).toBeNull();
      expect((await doctor('--node')).firstBroken).toBeNull();
    });
    expect((await doctor()).firstBroken).toMatchObject({ what: `${port}: driver` });
    expect((await doctor('--pod', 'default/other')).firstBroken).toMatchObject({ what: 'pod' });

    await node.control.removePort(port);
    const { says, todo } = (await doctor('--node')).firstBroken ?? { says: '', todo: '' };
    expect(says).toContain(port);
    expect(todo).toBe(`umount ${node.paths.podPort(pod.device, 'net1')}`);

    await node.killSwitch();
    const words = await node.inside('doctor', '--root', node.paths.root);
    expect(words.status).toBe(1);
    expect(words.stdout).toMatch(/\nfirst broken\nwrong +switch .*\n.*→ usvhost switch --root/);
  },
  240_000,
);
