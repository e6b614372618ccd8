// SPDX-License-Identifier: Apache-2.0
//
// A container runtime as the CNI library makes one: cnitool, with a directory of networks and a cache of results, on a node
// of real processes. What it keeps lies on a tmpfs of the node's mount namespace.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Pod, RealNode } from '../e2e/node.ts';
import { tree } from '../e2e/person.ts';
import type { Exit } from '../e2e/program.ts';
import { buildCnitool } from './cnitool.ts';

const shimDirectory = join(tree, 'build/native');
const plugins = '/usr/lib/cni';

export interface CallOptions {
  /** CNI_IFNAME; default net1. */
  readonly ifname?: string;
}

export class Runtime {
  readonly node: RealNode;
  readonly #cnitool: string;
  readonly #networks: string;

  private constructor(node: RealNode, cnitool: string) {
    this.node = node;
    this.#cnitool = cnitool;
    this.#networks = join(node.paths.root, 'networks');
    mkdirSync(this.#networks);
  }

  static async start(): Promise<Runtime> {
    const cnitool = await buildCnitool();
    const runtime = new Runtime(await RealNode.start(), cnitool);
    // The library's cache and host-local's leases are below /var/lib/cni.
    await runtime.#run(['mount', '-t', 'tmpfs', 'none', '/var/lib']);
    return runtime;
  }

  /** Writes a network: a single configuration, or a list when `plugins` has several or `list` says so. */
  network(name: string, cniVersion: string, plugins: readonly object[], list = true): void {
    const [only] = plugins;
    const document = list ? { cniVersion, name, plugins } : { cniVersion, name, ...only };
    writeFileSync(join(this.#networks, `${name}.${list ? 'conflist' : 'conf'}`), JSON.stringify(document));
  }

  /** Runs `cnitool COMMAND NETWORK NETNS`; the library makes the container's name from the path of the namespace. */
  call(command: string, network: string, pod: Pod, { ifname = 'net1' }: CallOptions = {}): Promise<Exit> {
    return this.node.inside([this.#cnitool, command, network, pod.netns], this.#environment(pod, ifname));
  }

  /** Runs a command as often as given with add and del of a pod, in one shell. */
  cycles(count: number, network: string, pod: Pod): Promise<Exit> {
    const script = `n=0
while [ $n -lt ${count} ]; do
  "$0" add ${network} "$1" >/dev/null || exit 1
  "$0" del ${network} "$1" || exit 2
  n=$((n+1))
done`;
    return this.node.inside(['sh', '-c', script, this.#cnitool, pod.netns], this.#environment(pod, 'net1'));
  }

  #environment(pod: Pod, ifname: string): Readonly<Record<string, string>> {
    return {
      USVHOST_ROOT: this.node.paths.root,
      NETCONFPATH: this.#networks,
      CNI_PATH: `${shimDirectory}:${plugins}`,
      CNI_IFNAME: ifname,
      CAP_ARGS: JSON.stringify({ deviceID: pod.device }),
    };
  }

  /** Forgets every result, as a runtime does whose disk was wiped. */
  async forget(): Promise<void> {
    await this.#run(['rm', '-rf', '/var/lib/cni/results']);
  }

  /** Leases and results that are kept, and names of interfaces in the pod. */
  async kept(pod: Pod): Promise<string[]> {
    const files = await this.#run(['find', '/var/lib', '-type', 'f']);
    const links: unknown = JSON.parse(await this.#run(['nsenter', `--net=${pod.netns}`, 'ip', '-j', 'link']));
    const names = (links as { readonly ifname: string }[]).map(({ ifname }) => ifname);
    const own = /\/(?:lock|last_reserved_ip\.\d+)$/; // host-local keeps these two for good
    return [...files.split('\n').filter((file) => file !== '' && !own.test(file)), ...names];
  }

  /** Open descriptors of the switch and of the agent. */
  descriptors(): number[] {
    return this.node.daemons().map((pid) => readdirSync(`/proc/${pid}/fd`).length);
  }

  async #run(argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.node.inside(argv);
    if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr}`);
    return stdout;
  }

  close(): Promise<void> {
    return this.node.close();
  }
}
