// SPDX-License-Identifier: Apache-2.0
//
// The one table of programs that the project builds with or is tested against, and the Debian package of each. `npm run
// setup` installs from it and tests decide by it what they can run. It must look only, never install.

import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findGuestKernel } from './guest-kernel.ts';

interface Peer {
  /** Debian package. */
  readonly package?: string;
  /** What to do instead where no package is to be installed. */
  readonly elsewhere?: string;
  readonly present: () => boolean;
}

/** Full path of a program, also in the directories that a user's PATH may lack; undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // whatever the reason, it cannot be run
  }
}

const program = (name: string, ...others: readonly string[]) => ({
  present: () => [name, ...others].some((each) => findProgram(each) !== undefined),
});
const file = (path: string) => ({ present: () => existsSync(path) });
const llvmRuntime = (name: string): string => {
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  return `/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.${name}-${machine}.a`;
};

/** By the name that messages use. */
export const peers = {
  'a C++ compiler': { package: 'build-essential', ...program('c++', 'g++', 'clang++') },
  cmake: { package: 'cmake', ...program('cmake') },
  'ninja or make': { package: 'ninja-build', ...program('ninja', 'make') },
  flock: { package: 'util-linux', ...program('flock') },
  strip: { package: 'binutils', ...program('strip') },
  bash: { package: 'bash', ...program('bash') },
  unshare: { package: 'util-linux', ...program('unshare') },
  nsenter: { package: 'util-linux', ...program('nsenter') },
  doctest: { package: 'doctest-dev', ...file('/usr/include/doctest/doctest.h') },
  'clang++-19': { package: 'clang-19', ...program('clang++-19') },
  libFuzzer: { package: 'libclang-rt-19-dev', ...file(llvmRuntime('fuzzer')) },
  'clang-format-19': { package: 'clang-format-19', ...program('clang-format-19') },
  'dpdk-testpmd': { package: 'dpdk-dev', ...program('dpdk-testpmd') },
  iperf3: { package: 'iperf3', ...program('iperf3') },
  'host-local': { package: 'containernetworking-plugins', ...file('/usr/lib/cni/host-local') },
  ip: { package: 'iproute2', ...program('ip') },
  ping: { package: 'iputils-ping', ...program('ping') },
  prometheus: { package: 'prometheus', ...program('prometheus') },
  promtool: { package: 'prometheus', ...program('promtool') },
  go: { elsewhere: 'Go 1.26 of https://go.dev/dl', ...program('go') },
  runc: { package: 'runc', ...program('runc') },
  busybox: { package: 'busybox-static', ...program('busybox') },
  nft: { package: 'nftables', ...program('nft') },
  'ovs-vswitchd-dpdk': {
    package: 'openvswitch-switch-dpdk',
    ...file('/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'),
  },
  valgrind: { package: 'valgrind', ...program('valgrind') },
  openssl: { package: 'openssl', ...program('openssl') },
  'qemu-system-x86_64': { package: 'qemu-system-x86', ...program('qemu-system-x86_64') },
  'a kernel for guests': {
    elsewhere: 'npm run setup on an x86-64 Debian, which downloads one',
    present: () => findGuestKernel() !== undefined,
  },
  root: { elsewhere: 'the rights of root', present: () => process.getuid?.() === 0 },
  'control groups of version 1': {
    elsewhere: 'a kernel that has them mounted, also beside version 2',
    present: () => /^\d+:[^:=]+:/m.test(readFileSync('/proc/self/cgroup', 'utf8')),
  },
} as const satisfies Readonly<Record<string, Peer>>;

export type PeerName = keyof typeof peers;

/** What the test cluster is made of or with. */
export const clusterPeers = [
  'flock',
  'go',
  'runc',
  'busybox',
  'nft',
  'openssl',
  'ip',
  'unshare',
  'nsenter',
  'root',
  'control groups of version 1',
] as const satisfies readonly PeerName[];

/** Packages that no row needs for its presence but that make builds faster. */
const comforts = ['ninja-build'];

/** Everything that `npm run setup` installs, sorted. */
export const packages: readonly string[] = [
  ...new Set([...comforts, ...Object.values<Peer>(peers).flatMap((peer) => peer.package ?? [])]),
].toSorted();

/** Those of the peers that are not on this machine. */
export function missingPeers(names: readonly PeerName[]): PeerName[] {
  return names.filter((name) => !peers[name].present());
}

/** The Debian packages of peers, each once. */
export function packagesOf(names: readonly PeerName[]): string[] {
  return [...new Set(names.map((name): Peer => peers[name]).flatMap((peer) => peer.package ?? []))];
}

/** `cmake, ping (apt-get install cmake iputils-ping)` */
export function describePeers(names: readonly PeerName[]): string {
  const fromDebian = packagesOf(names);
  const others = names.map((name): Peer => peers[name]).flatMap((peer) => peer.elsewhere ?? []);
  const install = fromDebian.length === 0 ? [] : [`apt-get install ${fromDebian.join(' ')}`];
  return `${names.join(', ')} (${[...install, ...others].join('; ')})`;
}

/** Whether a missing peer is a failure rather than a skip: USVHOST_REQUIRE=all. */
export function requireAll(): boolean {
  return process.env['USVHOST_REQUIRE'] === 'all';
}
