// SPDX-License-Identifier: Apache-2.0
//
// Disks that are full or read-only, below the node's state and below its run directory: a call fails with one error and
// leaves nothing, what stands goes on, and with room again all is well.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Pod, RealNode } from '../e2e/node.ts';
import type { Exit } from '../e2e/program.ts';
import { groupNeeds } from '../support/need.ts';

const startMillis = 60_000;
const stateDir = 'var/lib/usvhost';
const runDir = 'run/usvhost';
const done = { status: 0, stderr: '' };

groupNeeds(
  'unshare',
  'nsenter',
  'ip',
  'host-local',
)('a disk', () => {
  let node: RealNode;
  let standing: Pod;
  let next: Pod;

  beforeEach(async () => {
    node = await RealNode.start({ volumes: { [stateDir]: '4m', [runDir]: '4m' } });
    standing = await node.pod();
    next = await node.pod();
  }, startMillis);

  afterEach(() => node.close());

  const at = (below: string): string => `${node.paths.root}/${below}`;
  const config = () => ({
    endpoint: 'tap',
    ipam: { type: 'host-local', dataDir: at('leases'), ranges: [[{ subnet: '10.9.0.0/24' }]] },
  });
  const cni = (command: string, pod: Pod): Promise<Exit> => node.cni(command, pod, config());
  const fill = (below: string): Promise<string> =>
    node.run('sh', '-c', 'dd if=/dev/zero of="$0/fill" bs=4096 2>/dev/null; true', at(below));
  const makeRoom = (below: string): Promise<string> => node.run('rm', `${at(below)}/fill`);
  /** As after a fault of the disk: what is open for writing stays open. */
  const readOnly = (below: string): Promise<string> =>
    node.run('sh', '-ec', 'mount --rbind "$0" "$0"; mount -o remount,bind,ro "$0"', at(below));
  const writable = (below: string): Promise<string> => node.run('umount', '--recursive', '--lazy', at(below));

  /** Without what host-local keeps for good. */
  const state = (): string[] => node.state().filter((name) => !/^leases(?:\/net)?(?:\/l[^/]*)?$/.test(name));

  function expectRefusal({ status, stdout, stderr }: Exit, says: RegExp, code: string): void {
    expect([status, stderr]).toEqual([1, '']);
    const error = JSON.parse(stdout);
    expect(Object.keys(error).toSorted()).toEqual(['code', 'cniVersion', 'details', 'msg'].toSorted());
    expect(error.msg).toMatch(says);
    expect(error.msg).toContain(code);
  }

  async function standingIsWell(): Promise<void> {
    const added = await cni('ADD', standing);
    expect(added).toMatchObject(done);
    const checked = await node.cni('CHECK', standing, { ...config(), prevResult: JSON.parse(added.stdout) });
    expect(checked).toMatchObject(done);
  }

  /** A pod that comes and goes, and the one that stands, end to end. */
  async function allIsWell(before: readonly string[]): Promise<void> {
    expect(await cni('ADD', next)).toMatchObject(done);
    expect(await cni('DEL', next)).toMatchObject(done);
    expect(await cni('DEL', standing)).toMatchObject(done);
    expect(state()).toEqual(before);
  }

  describe('of the state that is full', () => {
    test('fails ADD, and DEL until there is room again', async () => {
      const before = state();
      await standingIsWell();
      await fill(stateDir);
      const full = state();
      expectRefusal(await cni('ADD', next), /agent\.db.*full/, 'USV_IO');
      expectRefusal(await cni('DEL', standing), /agent\.db.*full/, 'USV_IO');
      expect(state()).toEqual(full);
      await makeRoom(stateDir);
      await allIsWell(before);
    });

    test('lets an agent start and stop, and a DEL without one be tried again', async () => {
      const before = state();
      await standingIsWell();
      await fill(stateDir);
      await node.killAgent();
      const full = state();
      expectRefusal(await cni('DEL', standing), /No space left/, 'USV_AGENT_UNREACHABLE');
      expect(state()).toEqual(full);
      await node.startAgent();
      expectRefusal(await cni('ADD', next), /agent\.db.*full/, 'USV_IO');
      await makeRoom(stateDir);
      await allIsWell(before);
    });
  });

  test('of the run directory that is full fails ADD, and DEL succeeds', async () => {
    const before = state();
    await standingIsWell();
    await fill(runDir);
    const full = state();
    expectRefusal(await cni('ADD', next), /ENOSPC/, 'USV_IO');
    expect(state()).toEqual(full);
    expect(await cni('DEL', standing)).toMatchObject(done);
    await makeRoom(runDir);
    await allIsWell(before);
  });

  test('of the run directory that becomes read-only fails ADD and DEL', async () => {
    const before = state();
    await standingIsWell();
    await readOnly(runDir);
    const still = state();
    expectRefusal(await cni('ADD', next), /read-only|EROFS/i, 'USV_IO');
    expect(state()).toEqual(still);
    const { status } = await cni('DEL', standing);
    expect(status).toBe(1);
    await writable(runDir);
    await allIsWell(before);
  });

  test('of the state that becomes read-only: what is open stays so, and a new agent says why it cannot start', async () => {
    const before = state();
    await standingIsWell();
    await readOnly(stateDir);
    expect(await cni('ADD', next)).toMatchObject(done);
    expect(await cni('DEL', next)).toMatchObject(done);
    await node.killAgent();
    expectRefusal(await cni('DEL', standing), /Read-only file system/, 'USV_AGENT_UNREACHABLE');
    const { status, stderr } = await node.command('agent').ended();
    expect(status).toBe(1);
    expect(stderr).toContain('USV_IO');
    expect(stderr).toMatch(/agent\.db.*EROFS/);
    await writable(stateDir);
    await node.startAgent();
    await allIsWell(before);
  });

  test('of the run directory that is read-only at the start: no daemon starts, each with one error', async () => {
    await node.killAgent();
    await node.killSwitch();
    await readOnly(runDir);
    for (const daemon of ['agent', 'switch']) {
      const { status, stderr } = await node.command(daemon).ended();
      expect({ daemon, status }).toEqual({ daemon, status: 1 });
      expect(stderr).toMatch(/USV_IO.*(EROFS|read-only)/is);
    }
    await writable(runDir);
    const before = state();
    await node.startSwitch();
    await node.startAgent();
    expect(await cni('ADD', next)).toMatchObject(done);
    expect(await cni('DEL', next)).toMatchObject(done);
    expect(state().filter((line) => line.includes('ports/'))).toEqual(
      before.filter((line) => line.includes('ports/')),
    );
  });
});
