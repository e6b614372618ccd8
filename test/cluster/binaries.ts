// SPDX-License-Identifier: Apache-2.0
//
// Builds every program and image of the cluster into the cache, once for each set of versions. All of it but Multus is
// compiled in one Go module, so that what the programs share is compiled once.

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { download, go, moduleFile, type Say } from './go.ts';
import { buildImages } from './images.ts';
import { cacheDirectory } from './paths.ts';
import { versions } from './versions.ts';

const kubernetesPrograms = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-proxy',
  'kube-scheduler',
  'kubectl',
  'kubelet',
];
const containerd = 'github.com/containerd/containerd/v2';
const containerdPrograms = ['containerd', 'containerd-shim-runc-v2', 'ctr'];
const plugins = 'github.com/containernetworking/plugins/plugins';
const pluginPrograms = ['main/bridge', 'main/loopback', 'ipam/host-local', 'ipam/static'];
/** Does not compile against this Kubernetes' kubelet API: it is built where it lies, with the versions it names itself. */
const multus = 'gopkg.in/k8snetworkplumbingwg/multus-cni.v4';

/** Returns the directory with `bin/` and `images/`; at once when it is there already. */
export async function buildCluster(say: Say): Promise<string> {
  const directory = cacheDirectory();
  if (existsSync(directory)) return directory;
  say(`building Kubernetes ${versions.kubernetes} and what it needs, once, into ${directory}`);
  mkdirSync(dirname(directory), { recursive: true });
  const partial = mkdtempSync(`${directory}.`);
  try {
    await buildInto(partial, say);
    renameSync(partial, directory);
  } catch (error) {
    // Another build of the same was faster.
    if (!['EEXIST', 'ENOTEMPTY'].includes(errnoOf(error))) throw error;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return directory;
}

async function buildInto(directory: string, say: Say): Promise<void> {
  const bin = join(directory, 'bin');
  const module = join(directory, 'module');
  mkdirSync(join(bin, 'cni'), { recursive: true });
  mkdirSync(module);
  const build = async (what: string, into: string, ...args: readonly string[]): Promise<void> => {
    say(`compiling ${what}`);
    await go(['build', '-v', '-o', into, ...args], { in: module, say });
  };

  await prepareModule(module, say);
  await build('Kubernetes and etcd', join(bin, 'kubernetes'), `-ldflags=${kubernetesVersion()}`, '.');
  for (const name of kubernetesPrograms) symlinkSync('kubernetes', join(bin, name));
  const version = `-ldflags=-s -w -X ${containerd}/version.Version=${versions.containerd}`;
  await build(
    'containerd',
    `${bin}/`,
    version,
    ...containerdPrograms.map((name) => `${containerd}/cmd/${name}`),
  );
  await build(
    'CNI plugins',
    join(bin, 'cni/'),
    '-ldflags=-s -w',
    ...pluginPrograms.map((name) => `${plugins}/${name}`),
  );
  say('compiling Multus');
  const { Dir: multusSource } = await download(`${multus}@${versions.multus}`, { in: directory });
  await go(['build', '-v', '-ldflags=-s -w', '-o', join(bin, 'cni/'), './cmd/multus'], {
    in: multusSource,
    say,
  });
  rmSync(module, { recursive: true });
  say('making images');
  buildImages(join(directory, 'images'));
}

/** Joins the modules in one; their checksums are verified against the public database by go itself. */
async function prepareModule(module: string, say: Say): Promise<void> {
  say('downloading modules');
  const { GoMod } = await download(`k8s.io/kubernetes@${versions.kubernetes}`, { in: module });
  writeFileSync(join(module, 'go.mod'), moduleFile(readFileSync(GoMod, 'utf8')));
  cpSync(join(import.meta.dirname, 'one/main.go'), join(module, 'main.go'));
  const all = [
    '.',
    ...containerdPrograms.map((name) => `${containerd}/cmd/${name}`),
    ...pluginPrograms.map((name) => `${plugins}/${name}`),
  ];
  // Completes go.mod and go.sum; `go mod tidy` would fetch the tests' dependencies of everything.
  await go(['list', '-mod=mod', '-deps', ...all], { in: module, say });
}

/** Without these a node calls itself v0.0.0. */
function kubernetesVersion(): string {
  const [major, minor] = versions.kubernetes.slice(1).split('.');
  const values = { gitVersion: versions.kubernetes, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const settings = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((where) =>
    Object.entries(values).map(([name, value]) => `-X ${where}.${name}=${value}`),
  );
  return ['-s -w', ...settings].join(' ');
}
