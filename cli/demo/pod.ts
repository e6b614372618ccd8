// SPDX-License-Identifier: Apache-2.0
//
// A pod of the demo, step by step as a kubelet and a container runtime make one: network namespace, Allocate, CNI ADD by
// the real plugin binary, then containers in a mount namespace that has exactly what Allocate returned.

import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { usvFailure } from '../../lib/errors.ts';
import type { Allocation } from '../../test/fakes/kubelet.ts';
import { type DemoNode, project, shimFile, usvhostCommand } from './node.ts';
import { Child, type ChildOptions, run } from './process.ts';

/** A uid that owns nothing on the machine. */
const sidecarUid = 10_001;

export interface PodPlan {
  readonly name: string;
  readonly ifname: string;
  /** With prefix length. */
  readonly address: string;
  readonly endpoint: 'tap' | 'socket';
}

interface CniResult {
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string;
    readonly socketPath?: string;
  }[];
}

/** Whether anybody may read the tree, so that a sidecar with a uid of its own can run from it. */
function treeIsPublic(): boolean {
  const parts = project.split('/');
  const directories = parts.map((_, index) => parts.slice(0, index + 1).join('/') || '/');
  return directories.every((directory) => (statSync(directory).mode & 0o005) === 0o005);
}

/** The sidecar's uid: its own where the demo may choose and the tree can be read, else that of the demo. */
export function chooseUid(options: { readonly realRoot: boolean }): number {
  return options.realRoot && treeIsPublic() ? sidecarUid : 0;
}

export class Pod {
  readonly plan: PodPlan;
  readonly mac: string;
  /** Name of the port on the switch. */
  readonly port: string;
  readonly #node: DemoNode;
  readonly #sandbox: Child;
  readonly #allocation: Allocation;
  readonly #uid: number;

  private constructor(
    node: DemoNode,
    plan: PodPlan,
    uid: number,
    sandbox: Child,
    allocation: Allocation,
    result: CniResult,
  ) {
    this.#node = node;
    this.plan = plan;
    this.#uid = uid;
    this.#sandbox = sandbox;
    this.#allocation = allocation;
    const own = result.interfaces.find(({ name }) => name === plan.ifname);
    if (own?.socketPath === undefined) {
      throw usvFailure(
        'USV_INTERNAL',
        `expected a socket path in the CNI result, got ${JSON.stringify(result)}`,
      );
    }
    this.mac = own.mac;
    this.port = own.socketPath.split('/').at(-2) ?? '';
  }

  static async create(node: DemoNode, plan: PodPlan, uid: number): Promise<Pod> {
    const allocation = await node.kubelet.allocate('usvhost.io/port', 1);
    const sandbox = new Child(`sandbox of ${plan.name}`, [
      ...['unshare', '--net', '--', 'sh', '-c', 'ip link set lo up; echo ready; exec sleep 3600'],
    ]);
    try {
      const result = await callShim(node, 'ADD', plan, sandbox.pid, allocation, uid);
      return new Pod(node, plan, uid, sandbox, allocation, JSON.parse(result) as CniResult);
    } catch (error) {
      await sandbox.stop('SIGKILL');
      throw error;
    }
  }

  /** Runs a command in the pod's network namespace, with the privileges of the demo. */
  inNetwork(...argv: readonly string[]): string[] {
    return ['nsenter', `--net=/proc/${this.#sandbox.pid}/ns/net`, '--', ...argv];
  }

  /**
   * Starts `usvhost dataplane` in a container of the pod: mounts and devices of Allocate, no capability, no way to get one.
   */
  dataplane(args: readonly string[], options: ChildOptions = {}): Child {
    const command = usvhostCommand(
      'dataplane',
      ...['--port', `net_virtio_user0,path=/var/run/usvhost/${this.plan.ifname}`],
      ...args,
    );
    const ids = this.#uid === 0 ? [] : [`--reuid=${this.#uid}`, `--regid=${this.#uid}`, '--clear-groups'];
    const unprivileged = ['setpriv', ...ids, '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs'];
    const script = `${this.#mountScript()}\nexec "$@"`;
    return new Child(
      `dataplane of ${this.plan.name}`,
      this.inNetwork('unshare', '--mount', '--', 'sh', '-ec', script, 'sh', ...unprivileged, ...command),
      options,
    );
  }

  /** What a runtime does with the answer of Allocate. */
  #mountScript(): string {
    const staging = join(this.#node.paths.root, 'containers', this.plan.name);
    mkdirSync(staging, { recursive: true });
    const { mounts, devices } = this.#allocation.response;
    const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
    const lines = [`mount -t tmpfs -o mode=0755 none ${quoted(staging)}`];
    for (const { container_path, host_path, read_only } of mounts) {
      // /var/run is /run on every system with /run.
      const target = join(staging, container_path.replace(/^\/var\/run/, ''));
      lines.push(`mkdir -p ${quoted(target)}`, `mount --rbind ${quoted(host_path)} ${quoted(target)}`);
      if (read_only) lines.push(`mount -o remount,bind,ro ${quoted(target)}`);
    }
    lines.push(`mount --rbind ${quoted(staging)} /run`);
    for (const { container_path, host_path } of devices) {
      if (this.plan.endpoint === 'tap' && container_path !== host_path)
        lines.push(`mount --bind ${quoted(host_path)} ${quoted(container_path)}`);
    }
    return lines.join('\n');
  }

  /** CNI DEL, then the end of the sandbox, as a runtime does. */
  async close(): Promise<void> {
    try {
      await callShim(this.#node, 'DEL', this.plan, this.#sandbox.pid, this.#allocation, this.#uid);
    } finally {
      await this.#sandbox.stop('SIGKILL');
      this.#node.kubelet.release('usvhost.io/port', this.#allocation.devices);
    }
  }
}

async function callShim(
  node: DemoNode,
  command: 'ADD' | 'DEL',
  plan: PodPlan,
  sandbox: number,
  allocation: Allocation,
  uid: number,
): Promise<string> {
  accessSync(shimFile, constants.X_OK);
  const config = {
    cniVersion: '1.1.0',
    name: 'demo',
    type: 'usvhost',
    endpoint: plan.endpoint,
    ...(plan.endpoint === 'tap' ? { uid } : {}),
    ips: [plan.address],
    capabilities: { deviceID: true },
    runtimeConfig: { deviceID: allocation.devices[0] },
  };
  return run([shimFile], {
    stdin: JSON.stringify(config),
    env: {
      USVHOST_ROOT: node.paths.root,
      CNI_COMMAND: command,
      CNI_CONTAINERID: plan.name,
      CNI_NETNS: `/proc/${sandbox}/ns/net`,
      CNI_IFNAME: plan.ifname,
      CNI_PATH: '/usr/lib/cni:/opt/cni/bin',
    },
  });
}
