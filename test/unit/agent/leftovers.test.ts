// SPDX-License-Identifier: Apache-2.0
//
// When hands are lent, and for how much. The steps are recorded here; the contract tests do them with the real shim.

import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { Attachments } from '../../../agent/attachments.ts';
import { Leftovers } from '../../../agent/leftovers.ts';
import { Tombstones } from '../../../agent/tombstones.ts';
import type { Attachment } from '../../../cni/attachment.ts';
import { KeyedQueue } from '../../../cni/keyed-queue.ts';
import { usvhostAbilities } from '../../../cni/port-options.ts';
import { StepErrno, type Steps } from '../../../cni/session.ts';
import type { ExecSpec, ShimRequest } from '../../../cni/shim-protocol.ts';
import { usvFailure } from '../../../lib/errors.ts';
import { temporaryRoots } from '../../fakes/temporary-root.ts';

const makeRoot = temporaryRoots();
const log = pino({ level: 'silent' });
let root: string;
let store: Attachments;
let queue: KeyedQueue;
let leftovers: Leftovers;
let now: number;
let execs: ExecSpec[];
let unmounted: string[];
let exitStatus: number;
let gone: boolean;
/** The IPAM plugin is on no CNI_PATH. */
let missing: boolean;
let onWarning: (fields: object) => void;

beforeEach(() => {
  root = makeRoot();
  store = new Attachments({ stateDir: join(root, 'state'), bootId: 'b' });
  queue = new KeyedQueue();
  now = 0;
  execs = [];
  unmounted = [];
  exitStatus = 0;
  gone = false;
  missing = false;
  onWarning = () => undefined;
  const switchPorts = {
    abilities: usvhostAbilities,
    addPort: async () => undefined,
    removePort: async () => true,
    findPort: async () => undefined,
    ping: async () => undefined,
  };
  leftovers = new Leftovers({
    cni: {
      root,
      store,
      switchPorts,
      queue,
      leadDevice: (device) => device,
      isNamespaceGone: () => false,
      log: { info: () => undefined, warn: (fields) => onWarning(fields) },
    },
    store,
    tombstones: new Tombstones(join(root, 'tombstones'), log),
    queue,
    now: () => now,
  });
});

afterEach(() => store.close());

/** Does everything asked, and writes down what matters here. */
const steps = new Proxy({} as Steps, {
  get: (_, name) => async (argument: unknown) => {
    if (gone) throw usvFailure('USV_SHIM_GONE', 'the test ends the shim');
    if (name === 'unmount') unmounted.push(String(argument));
    if (name !== 'exec') return undefined;
    execs.push(argument as ExecSpec);
    if (missing) throw usvFailure('USV_IPAM', 'not found', { cause: new StepErrno('ENOENT') });
    return { exitStatus, stdout: Buffer.from('{"code":5,"msg":"no"}') };
  },
});

const caller = (command: string, containerId = 'caller'): ShimRequest => ({
  command,
  containerId,
  netns: '/ns',
  ifname: 'eth0',
  args: undefined,
  path: undefined,
  stdin: Buffer.alloc(0),
});

function going(n: number, more: Partial<Attachment> = {}): void {
  store.put({
    containerId: `c${n}`,
    ifname: 'net1',
    port: `p${n}`,
    device: `port-${n}`,
    network: 'fast',
    netns: join(root, 'no-such-namespace'),
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    endpoint: 'tap',
    state: 'deleting',
    ipamConfig: '{"cniVersion":"1.0.0","ipam":{"type":"x"}}',
    podUid: 'u',
    podNamespace: 'a',
    podName: `pod-${n}`,
    runtimeIfname: 'eth7',
    deviceInfo: null,
    podRole: 'client',
    ...more,
  });
}

test('the plugin gets the variables of the attachment, not of the call', async () => {
  going(1);
  await leftovers.tidy(steps, caller('ADD'));
  expect(store.list()).toEqual([]);
  const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=pod-1;K8S_POD_UID=u';
  expect(execs).toEqual([
    expect.objectContaining({
      command: 'DEL',
      attachment: expect.objectContaining({ containerId: 'c1', ifname: 'net1' }),
      args,
    }),
  ]);
  expect(JSON.parse(String(execs[0]?.stdin))).toMatchObject({ cniVersion: '1.0.0' });
});

test('hands are lent by ADD and DEL, for four leftovers each', async () => {
  for (let n = 0; n < 6; n++) going(n);
  for (const command of ['CHECK', 'STATUS', 'NONSENSE']) await leftovers.tidy(steps, caller(command));
  expect(store.list()).toHaveLength(6);
  await leftovers.tidy(steps, caller('ADD'));
  expect(store.list()).toHaveLength(2);
  await leftovers.tidy(steps, caller('DEL'));
  expect(store.list()).toEqual([]);
});

test('what stands, what has its namespace, and what another call works on are left alone', async () => {
  going(1, { state: 'ready' });
  going(2, { netns: root });
  going(3);
  const call = Promise.withResolvers<void>();
  const running = queue.run('c3', () => call.promise);
  await leftovers.tidy(steps, caller('ADD'));
  expect(execs).toEqual([]);
  expect(store.list()).toHaveLength(3);
  call.resolve();
  await running;
});

test("a container's own leftover is done in its own turn", async () => {
  going(1);
  await queue.run('c1', () => leftovers.tidy(steps, caller('ADD', 'c1')));
  expect(store.list()).toEqual([]);
});

test('one that fails waits a minute and holds nothing up', async () => {
  going(1);
  exitStatus = 1;
  await leftovers.tidy(steps, caller('ADD'));
  await leftovers.tidy(steps, caller('ADD'));
  expect(execs).toHaveLength(1);
  now = 60_000;
  exitStatus = 0;
  await leftovers.tidy(steps, caller('ADD'));
  expect(store.list()).toEqual([]);
});

test('with a shim that is gone nothing more is begun', async () => {
  for (let n = 0; n < 3; n++) going(n);
  gone = true;
  await leftovers.tidy(steps, caller('ADD'));
  gone = false;
  await leftovers.tidy(steps, caller('ADD'));
  expect(store.list()).toHaveLength(1);
});

test('a mount without a record is unmounted once, unless somebody has the place by then', async () => {
  leftovers.setMounts([
    { device: 'port-1', ifname: 'net1' },
    { device: 'port-2', ifname: 'net1' },
  ]);
  going(2, { state: 'ready' });
  await leftovers.tidy(steps, caller('ADD'));
  await leftovers.tidy(steps, caller('ADD'));
  expect(unmounted).toEqual(['pods/port-1/net1']);
});

test('a plugin that is not there is waited for, ten calls long', async () => {
  going(1);
  missing = true;
  for (let call = 0; call < 9; call++) {
    await leftovers.tidy(steps, caller('ADD'));
    now += 60_000;
  }
  expect(store.list()).toHaveLength(1);
  const warned: unknown[] = [];
  onWarning = (fields) => warned.push(fields);
  await leftovers.tidy(steps, caller('ADD'));
  expect(store.list()).toEqual([]);
  expect(warned).toEqual([expect.objectContaining({ plugin: 'x', containerId: 'c1', ifname: 'net1' })]);
});

test('a plugin that is there at a later call gets its address back', async () => {
  going(1);
  missing = true;
  await leftovers.tidy(steps, caller('ADD'));
  expect(store.list()).toHaveLength(1);
  missing = false;
  now = 60_000;
  await leftovers.tidy(steps, caller('ADD'));
  expect(execs.filter(({ command }) => command === 'DEL')).toHaveLength(2);
  expect(store.list()).toEqual([]);
});
