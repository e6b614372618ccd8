// SPDX-License-Identifier: Apache-2.0
//
// The agent is killed before each step of ADD and of DEL. Whatever the runtime does next, and whichever pod comes next,
// nothing is left.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.ts';
import { onNode, type Pod, TestNode } from './node.ts';

/** More steps than either command has. */
const tooMany = 40;

onNode('the agent is killed before each step of', () => {
  let node: TestNode;
  let pod: Pod;
  let other: Pod;
  let agent: ChildProcess | undefined;

  beforeEach(async () => {
    node = await TestNode.start({ agent: false });
    pod = await node.pod();
    other = await node.pod();
  });

  afterEach(async () => {
    agent?.kill('SIGKILL');
    await node.close();
  });

  const config = (one: Pod): object => node.config(one, { ipam: node.hostLocal() });

  /** Runs a command with an agent that dies before the step; whether it got that far. */
  async function killed(command: string, step: number): Promise<boolean> {
    agent = await node.spawnAgent(String(step));
    const ended = once(agent, 'close');
    const run = await node.cni(command, pod, config(pod));
    // An agent that died has said so by now: the shim saw the end of its connection.
    const died = run.code !== 0 || node.tombstones().length > 0;
    if (command === 'ADD') expect(run).toMatchObject(died ? { json: { code: 11 } } : { code: 0 });
    if (command === 'DEL') expect(run.code).toBe(0);
    agent.kill('SIGKILL');
    await ended;
    return died;
  }

  async function expectNothing(): Promise<void> {
    // Calls of another pod lend their hands to what is left of this one, unless the agent is just looking at it.
    const left = async (): Promise<string[]> => {
      expect((await node.cni('DEL', other, config(other))).code).toBe(0);
      return [...(await node.traces()), ...node.tombstones()];
    };
    await eventually(left, ({ length }) => length === 0, 'nothing left', { millis: 30_000 });
    const links = JSON.parse(await pod.run('ip', '-j', 'link')) as { readonly ifname: string }[];
    expect(links.map(({ ifname }) => ifname)).toEqual(['lo']);
  }

  test('ADD; then DEL, or ADD again', async () => {
    let step = 0;
    for (; step < tooMany && (await killed('ADD', step)); step++) {
      await node.startAgent();
      if (step % 2 === 1) expect((await node.cni('ADD', pod, config(pod))).code).toBe(0);
      expect((await node.cni('DEL', pod, config(pod))).code).toBe(0);
      await expectNothing();
      await node.stopAgent();
    }
    expect(step).toBeGreaterThan(8);
    expect(step).toBeLessThan(tooMany);
  }, 240_000);

  test('DEL; then DEL again, or nothing more for this pod', async () => {
    let step = 0;
    for (; step < tooMany; step++) {
      await node.startAgent();
      expect((await node.cni('ADD', pod, config(pod))).code).toBe(0);
      await node.stopAgent();
      const died = await killed('DEL', step);
      await node.startAgent();
      if (step % 2 === 1) expect((await node.cni('DEL', pod, config(pod))).code).toBe(0);
      await expectNothing();
      await node.stopAgent();
      if (!died) break;
    }
    expect(step).toBeGreaterThan(6);
    expect(step).toBeLessThan(tooMany);
  }, 240_000);
});
