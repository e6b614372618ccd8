// SPDX-License-Identifier: Apache-2.0
//
// A node on the real Open vSwitch as tests tell of it: the agent, pods with a port each, and our driver in them. Everything
// ends with close(), newest first.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { attachmentPort } from '../../cni/attachment.ts';
import { type HostPaths, hostPaths } from '../../lib/names.ts';
import { type Pod, TestNode } from '../contract/cni/node.ts';
import { RunningOvs } from '../support/ovs.ts';
import { RunningDriver } from '../support/running.ts';
import { ourMac, peerMac, verifyingDriver } from './echo.ts';

/** More than the pause after which Open vSwitch tries to connect again. */
export const patience = { millis: 60_000, stepMillis: 20 } as const;

export const portOf = ({ containerId }: Pod): string => attachmentPort({ containerId, ifname: 'net1' });

type Engine = ConstructorParameters<typeof RunningDriver>[0]['engine'];

export class OvsStory {
  readonly node: TestNode;
  readonly ovs: RunningOvs;
  readonly undo: (() => void | Promise<void>)[];

  private constructor(node: TestNode, ovs: RunningOvs, undo: (() => void | Promise<void>)[]) {
    this.node = node;
    this.ovs = ovs;
    this.undo = undo;
  }

  /** Node and Open vSwitch, without an agent. */
  static async start(): Promise<OvsStory> {
    const node = await TestNode.start({ agent: false });
    const undo: OvsStory['undo'] = [() => node.close()];
    try {
      const directory = join(node.root, 'ovs');
      mkdirSync(directory);
      const ovs = await RunningOvs.start(directory, { enter: node.enterCommand });
      undo.push(() => ovs.close());
      return new OvsStory(node, ovs, undo);
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  get paths(): HostPaths {
    return hostPaths(this.node.root);
  }

  get #config(): object {
    return { switch: 'ovs', ovs: { database: this.ovs.database, createBridge: true } };
  }

  async startAgent(reconcileSeconds = 60): Promise<void> {
    await this.node.startAgent({ reconcileSeconds, config: this.#config });
  }

  /** As a process of its own, which sees the mounts of the shim. */
  async spawnAgent(reconcileSeconds = 60): ReturnType<TestNode['spawnAgent']> {
    const agent = await this.node.spawnAgent(
      'Infinity',
      String(reconcileSeconds),
      JSON.stringify(this.#config),
    );
    this.undo.push(() => void agent.kill('SIGKILL'));
    return agent;
  }

  network(pod: Pod, more: object = {}): Record<string, unknown> {
    return this.node.config(pod, { endpoint: 'socket', ...more });
  }

  /** The directory of a pod's port, as the pod has it. */
  placeOf(pod: Pod): string {
    return this.paths.podPort(pod.device, 'net1');
  }

  /** The socket of a pod's port, by the pod's own directory. */
  socketOf(pod: Pod): string {
    return this.node.seen(join(this.placeOf(pod), 'vhost.sock'));
  }

  /** A pod with a port. */
  async added(more: object = {}): Promise<Pod> {
    const pod = await this.node.pod();
    const run = await this.node.cni('ADD', pod, this.network(pod, more));
    expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('socketPath') });
    return pod;
  }

  async deleted(pod: Pod, more: object = {}): Promise<void> {
    const run = await this.node.cni('DEL', pod, this.network(pod, more));
    expect(run).toMatchObject({ code: 0, stdout: '' });
  }

  driver(pod: Pod, engine: Engine): RunningDriver {
    const driver = new RunningDriver({ path: this.socketOf(pod), server: true, queueSize: 256, engine });
    this.undo.push(() => driver.close());
    return driver;
  }

  /** Sends frames to the other pods when told to, and compares what comes back. */
  sender(pod: Pod): RunningDriver {
    const driver = verifyingDriver({ path: this.socketOf(pod), queueSize: 256, size: 512, server: true });
    this.undo.push(() => driver.close());
    return driver;
  }

  echoing(pod: Pod): RunningDriver {
    return this.driver(pod, { kind: 'l2fwd', mode: 'swap' });
  }

  listening(pod: Pod): RunningDriver {
    return this.driver(pod, {
      ...{ kind: 'rxonly', size: 512, limit: 0, verify: false, running: true },
      ...{ sourceMac: peerMac, destinationMac: ourMac },
    });
  }

  async close(): Promise<void> {
    for (const step of this.undo.splice(0).reverse()) await step();
  }
}

export async function linksUp(...drivers: readonly RunningDriver[]): Promise<void> {
  for (const driver of drivers) await driver.linkUp();
}
