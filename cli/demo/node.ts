// SPDX-License-Identifier: Apache-2.0
//
// The node of the demo: the real switch and the real agent as processes of their own below a temporary root, and a
// kubelet's half of the device plugin API.

import { EventEmitter, once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ClientReadableStream, Metadata } from '@grpc/grpc-js';
import { type HostPaths, hostPaths } from '../../lib/names.ts';
import { unary } from '../../proto/call.ts';
import type { ListPortsResponse__Output } from '../../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { Port__Output } from '../../proto/gen/usvhost/switch/v1/Port.ts';
import type { PortEvent__Output } from '../../proto/gen/usvhost/switch/v1/PortEvent.ts';
import { Switch } from '../../proto/load.ts';
import { dial } from '../../proto/unix.ts';
import { type FakeKubelet, startFakeKubelet } from '../../test/fakes/kubelet.ts';
import { Child } from './process.ts';

export const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const shimFile = `${project}/build/native/usvhost`;

/** How to run a command of `usvhost` from the tree at `tree`. */
export function usvhostCommand(...args: readonly string[]): string[] {
  return [process.execPath, `${project}/cli/usvhost.ts`, ...args];
}

/** Resolves when the path exists; its directory must. */
async function exists(path: string): Promise<void> {
  const events = watch(dirname(path));
  try {
    await new Promise<void>((resolve, reject) => {
      events.on('error', reject);
      events.on('change', (_, name) => {
        if (String(name) === basename(path) && existsSync(path)) resolve();
      });
      // After the watch has begun: it may have been there before.
      if (existsSync(path)) resolve();
    });
  } finally {
    events.close();
  }
}

export interface DemoNodeOptions {
  /** The device node that Allocate hands to pods. */
  readonly tunDevice: string;
  /** How `usvhost` is run; default from the tree. */
  readonly command?: (...args: readonly string[]) => string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class DemoNode {
  readonly paths: HostPaths;
  readonly kubelet: FakeKubelet;
  readonly agent: Child;
  #switch: Child;
  readonly #newSwitch: () => Child;
  readonly #client: InstanceType<typeof Switch>;
  readonly #states = new Map<string, Port__Output>();
  readonly #features = new Map<string, bigint>();
  readonly #changed = new EventEmitter();
  /** Received so far; each switch sends one first. */
  #snapshots = 0;
  #events: ClientReadableStream<PortEvent__Output> | undefined;

  private constructor(
    paths: HostPaths,
    kubelet: FakeKubelet,
    switchProcess: Child,
    agent: Child,
    newSwitch: () => Child,
  ) {
    this.paths = paths;
    this.kubelet = kubelet;
    this.#switch = switchProcess;
    this.#newSwitch = newSwitch;
    this.agent = agent;
    this.#client = dial(Switch, paths.switchSocket);
    this.#watch();
  }

  static async start(root: string, options: DemoNodeOptions): Promise<DemoNode> {
    const paths = hostPaths(root);
    const kubelet = await startFakeKubelet({ root });
    const { command = usvhostCommand, env = {} } = options;
    const start = (role: 'switch' | 'agent'): Child =>
      new Child(`usvhost ${role}`, command(role, '--root', root), {
        env: { USVHOST_AGENT_TUN_DEVICE: options.tunDevice, USVHOST_AGENT_METRICS_ADDRESS: 'null', ...env },
      });
    const node = new DemoNode(paths, kubelet, start('switch'), start('agent'), () => start('switch'));
    const { agent } = node;
    try {
      // The agent has made the directory by the time it registers.
      await agent.whileRunning(kubelet.capacity('usvhost.io/port'));
      await agent.whileRunning(exists(paths.agentSocket));
      await node.#switch.whileRunning(exists(paths.switchSocket));
      // The device plugin counts its devices as healthy once the agent has seen the switch.
      const healthy = (): boolean =>
        [...(kubelet.devices('usvhost.io/port')?.values() ?? [])].includes('Healthy');
      await agent.whileRunning(kubelet.until(healthy, 'healthy ports'));
    } catch (error) {
      await node.close();
      throw error;
    }
    return node;
  }

  async ports(): Promise<ReadonlyMap<string, Port__Output>> {
    const { ports } = await unary<ListPortsResponse__Output>((done) => this.#client.ListPorts({}, done), {
      peer: 'the switch',
      unreachable: 'USV_SWITCH_UNREACHABLE',
    });
    return new Map(ports.map((port) => [port.spec?.name ?? '', port]));
  }

  /** Resolves when the port has a front-end with running rings. */
  async portUp(name: string): Promise<void> {
    while (this.#states.get(name)?.state !== 'up') await once(this.#changed, 'change');
  }

  /** Virtio features that the port's last front-end had negotiated, 0n before the first. */
  features(name: string): bigint {
    return this.#features.get(name) ?? 0n;
  }

  /** Follows the ports; when the switch goes, the stream ends, and a new one waits for the next switch. */
  #watch(): void {
    const events = this.#client.WatchPorts({}, new Metadata({ waitForReady: true }));
    this.#events = events;
    events.on('data', ({ snapshot, changed, removed }: PortEvent__Output) => {
      if (snapshot) {
        this.#states.clear();
        this.#snapshots += 1;
      }
      for (const port of snapshot?.ports ?? (changed?.port ? [changed.port] : [])) {
        const name = port.spec?.name ?? '';
        this.#states.set(name, port);
        if (port.state === 'up') this.#features.set(name, BigInt(port.features));
      }
      if (removed) this.#states.delete(removed);
      this.#changed.emit('change');
    });
    const again = (): void => {
      // An error is followed by an end, and close() wants no new stream.
      if (this.#events !== events) return;
      this.#states.clear();
      this.#watch();
    };
    events.on('error', again);
    events.on('end', again);
  }

  /** Processes of the switch and of the agent. */
  get pids(): readonly [number, number] {
    return [this.#switch.pid, this.agent.pid];
  }

  async killSwitch(): Promise<void> {
    await this.#switch.stop('SIGKILL');
  }

  /** Starts a new switch in place of one that is gone. Returns when it has said which ports it has: none at first. */
  async startSwitch(): Promise<void> {
    const seen = this.#snapshots;
    this.#switch = this.#newSwitch();
    const snapshot = async (): Promise<void> => {
      while (this.#snapshots === seen) await once(this.#changed, 'change');
    };
    await this.#switch.whileRunning(snapshot());
  }

  async close(): Promise<void> {
    const events = this.#events;
    this.#events = undefined;
    events?.cancel();
    this.#client.close();
    await this.agent.stop();
    await this.#switch.stop();
    await this.kubelet.close();
  }
}
