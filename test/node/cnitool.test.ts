// SPDX-License-Identifier: Apache-2.0
//
// The CNI project's own library against a whole node: every command, every version of the specification, configurations
// and lists; and many at once.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Pod } from '../e2e/node.ts';
import { groupNeeds } from '../support/need.ts';
import { Runtime } from './runtime.ts';

/** Downloads and compiles on a machine's first run. */
const buildMillis = 600_000;

const done = { status: 0, stderr: '' };
const port = {
  type: 'usvhost',
  capabilities: { deviceID: true },
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.9.0.0/24' }]] },
};
const second = {
  type: 'usvhost',
  ifName: 'fast0',
  capabilities: { deviceID: true },
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.9.1.0/24' }]] },
};

groupNeeds(
  'unshare',
  'nsenter',
  'ip',
  'host-local',
  'go',
)('cnitool', () => {
  let runtime: Runtime;
  let pod: Pod;

  beforeAll(async () => {
    runtime = await Runtime.start();
    pod = await runtime.node.pod();
  }, buildMillis);

  afterAll(() => runtime.close());

  describe.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])('cniVersion %s', (cniVersion) => {
    const later = (least: string): boolean => cniVersion >= least;

    describe.each([
      ['a configuration', 'conf', [port], ['net1']],
      ['a list', 'list', [port], ['net1']],
      ['a list of two ports', 'two', [port, second], ['net1', 'fast0']],
    ])('%s', (_, kind, plugins, names) => {
      const network = `${kind}-${cniVersion}`;
      let before: string[];

      beforeEach(() => {
        runtime.network(network, cniVersion, plugins, kind !== 'conf');
        before = runtime.node.state();
      });

      test('add, check and del', async () => {
        const added = await runtime.call('add', network, pod);
        expect(added).toMatchObject(done);
        const result = JSON.parse(added.stdout);
        expect(result.cniVersion).toBe(cniVersion);
        expect(result.interfaces.map(({ name }: { name: string }) => name)).toEqual(names);
        expect(result.ips).toHaveLength(names.length);
        expect('socketPath' in result.interfaces[0]).toBe(later('1.1.0'));
        expect('version' in result.ips[0]).toBe(!later('1.0.0'));
        expect(await runtime.kept(pod)).toEqual(expect.arrayContaining(names));

        const checked = await runtime.call('check', network, pod);
        if (later('0.4.0')) expect(checked).toMatchObject(done);
        else expect(checked.stderr).toContain('does not support the CHECK command');

        expect(await runtime.call('del', network, pod)).toMatchObject(done);
        expect(runtime.node.state()).toEqual(before);
        expect(await runtime.kept(pod)).toEqual(['lo']);
        expect(await runtime.call('del', network, pod)).toMatchObject(done);
      });

      test('gc and status', async () => {
        expect(await runtime.call('add', network, pod)).toMatchObject(done);
        expect(await runtime.call('status', network, pod)).toMatchObject(done);
        expect(await runtime.call('gc', network, pod)).toMatchObject(done);
        expect(runtime.node.state()).toEqual(before);
        expect(await runtime.kept(pod)).toEqual(['lo']);
      });
    });
  });

  test('gc removes what the runtime has forgotten, with its addresses', async () => {
    runtime.network('lost', '1.1.0', [port, second]);
    const lost = await runtime.node.pod();
    const before = runtime.node.state();
    expect(await runtime.call('add', 'lost', lost)).toMatchObject(done);
    await runtime.forget();
    expect(await runtime.call('gc', 'lost', lost)).toMatchObject(done);
    expect(runtime.node.state()).toEqual(before);
    expect((await runtime.kept(lost)).filter((name) => name.startsWith('/'))).toEqual([]);
  });

  test('status, add and check tell when the switch is away, and del works', async () => {
    runtime.network('away', '1.1.0', [port]);
    expect(await runtime.call('add', 'away', pod)).toMatchObject(done);
    await runtime.node.killSwitch();
    for (const command of ['status', 'check']) {
      const { status, stderr } = await runtime.call(command, 'away', pod);
      expect({ command, status }).toEqual({ command, status: 1 });
      expect(stderr).toContain('USV_SWITCH_UNREACHABLE');
    }
    expect(await runtime.call('del', 'away', pod)).toMatchObject(done);
    const added = await runtime.call('add', 'away', pod);
    expect(added.stderr).toContain('USV_SWITCH_UNREACHABLE');
    await runtime.node.startSwitch();
    expect(await runtime.kept(pod)).toEqual(['lo']);
  });

  test('16 containers at the same time', async () => {
    runtime.network('many', '1.0.0', [port]);
    // A kubelet allocates for one pod after the other.
    const pods: Pod[] = [];
    while (pods.length < 16) pods.push(await runtime.node.pod());
    const before = runtime.node.state();
    const all = (command: string) => Promise.all(pods.map((each) => runtime.call(command, 'many', each)));
    const added = await all('add');
    expect(added).toEqual(pods.map(() => expect.objectContaining(done)));
    const results = added.map(({ stdout }) => JSON.parse(stdout));
    expect(new Set(results.map(({ ips }) => ips[0].address)).size).toBe(16);
    expect(new Set(results.map(({ interfaces }) => interfaces[0].mac)).size).toBe(16);
    expect(await runtime.node.control.portNames()).toHaveLength(16);
    expect(await all('check')).toEqual(pods.map(() => expect.objectContaining(done)));
    expect(await all('del')).toEqual(pods.map(() => expect.objectContaining(done)));
    expect(runtime.node.state()).toEqual(before);
  }, 120_000);
});
