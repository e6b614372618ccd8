// SPDX-License-Identifier: Apache-2.0
//
// A container runtime as the CNI library makes one: cnitool, with a directory of networks and a cache of results, on a node
// of real processes. What it keeps lies on a tmpfs of the node's mount namespace.

import { mkdirSync, writeFileSync } from 'node:fs';
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
    await runtime.node.run('mount', '-t', 'tmpfs', 'none', '/var/lib');
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
    return this.node.exec([this.#cnitool, command, network, pod.netns], this.#environment(pod, ifname));
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
    await this.node.run('rm', '-rf', '/var/lib/cni/results');
  }

  /** Leases and results that are kept, and names of interfaces in the pod. */
  async kept(pod: Pod): Promise<string[]> {
    const files = await this.node.run('find', '/var/lib', '-type', 'f');
    const links: unknown = JSON.parse(
      await this.node.run('nsenter', `--net=${pod.netns}`, 'ip', '-j', 'link'),
    );
    const names = (links as { readonly ifname: string }[]).map(({ ifname }) => ifname);
    const own = /\/(?:lock|last_reserved_ip\.\d+)$/; // host-local keeps these two for good
    return [...files.split('\n').filter((file) => file !== '' && !own.test(file)), ...names];
  }

  close(): Promise<void> {
    return this.node.close();
  }
}
