// SPDX-License-Identifier: Apache-2.0
//
// The chart in the cluster, as a platform engineer installs it: image into the runtime, `helm install --wait`, and a namespace for
// pods. Each step's undo stands beside it.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { usvFailure } from '../../lib/errors.ts';
import { buildHelm, chart } from '../../scripts/helm.ts';
import { projectRoot } from '../../scripts/main.ts';
import { eventually } from '../support/eventually.ts';
import { inside } from './cluster.ts';
import { importArchive } from './import-image.ts';
import { portCount } from './names.ts';
import { pathsIn } from './paths.ts';
import { PodSpace } from './pod-space.ts';
import { pod } from './pods.ts';
import { said } from './said.ts';
import type { OnUndo } from './undo.ts';

/** Of the release, and of our pods. */
export const releaseNamespace = 'usvhost';
const releaseName = 'usvhost';
const patience = '120s';
/** Of `npm run image`. */
const archive = join(projectRoot, 'build/image/usvhost.tar');

interface ReleaseOptions {
  /** Flags of `helm install`, such as `--set=network.mode=multus`. */
  readonly values?: readonly string[];
  /** Of the namespace for pods, `key=value`. */
  readonly labels?: readonly string[];
}

export class Release extends PodSpace {
  readonly #values: readonly string[];

  private constructor(values: readonly string[]) {
    super();
    this.#values = values;
  }

  /** Returns when everything of the release is ready and the kubelet offers ports. */
  static async install(onUndo: OnUndo, { values = [], labels = [] }: ReleaseOptions = {}): Promise<Release> {
    const release = new Release(values);
    await importRelease();
    onUndo(async () => release.kubectl('delete', 'namespace', releaseNamespace, `--timeout=${patience}`));
    onUndo(async () => release.uninstall());
    await release.installAgain();
    await release.make(onUndo, ...labels);
    return release;
  }

  /** After `uninstall`, as the first time. */
  async installAgain(): Promise<void> {
    await this.helm('install', releaseName, chart, '--create-namespace', '--wait', ...this.#values);
    await this.offers(portCount);
    await this.#admits();
  }

  /** Waits until the API server reaches the webhook: its pods are ready before the node's proxy knows the way to them. */
  async #admits(): Promise<void> {
    const stdin = JSON.stringify(pod('wrong', { annotations: { 'usvhost.io/inject': 'perhaps' } }));
    const create = inside(['kubectl', '--namespace=default', 'create', '--dry-run=server', '--filename=-']);
    // A webhook that is not reached is passed over, and only the API server's log says why.
    const log = join(pathsIn('').log, 'kube-apiserver.log');
    const passedOver = ['sh', '-c', 'grep "failing open" "$1" | tail -n 1', 'sh', log];
    const look = async (): Promise<string> =>
      (await said(run(create, { stdin }))) + (await run(inside(passedOver)));
    const refused = (text: string): boolean => text.includes('USV_ANNOTATION');
    await eventually(look, refused, 'a wrong annotation refused', { millis: 90_000, stepMillis: 500 });
  }

  /** With other values, or another chart: `helm upgrade` keeps those that were given before. */
  async upgrade(...values: readonly string[]): Promise<void> {
    await this.helm('upgrade', releaseName, chart, '--reuse-values', '--wait', ...values);
  }

  /** Also when there is none. Returns when its pods are gone. */
  async uninstall(): Promise<void> {
    await this.helm('uninstall', releaseName, '--ignore-not-found', '--wait');
    const all = ['--all', '--for=delete', `--timeout=${patience}`];
    await run(inside(['kubectl', '--namespace', releaseNamespace, 'wait', 'pods', ...all]));
  }

  /** The containers of a component that are there: others when it was started again. */
  async startOf(component: string): Promise<string> {
    const selector = `--selector=app.kubernetes.io/component=${component}`;
    const which = '--output=jsonpath={.items[*].status.containerStatuses[*].containerID}';
    return run(inside(['kubectl', '--namespace', releaseNamespace, 'get', 'pods', selector, which]));
  }

  /** How often each container of a pod was started again, sidecars first. */
  async restartsOf(pod: string): Promise<number[]> {
    const counts = ['initContainerStatuses', 'containerStatuses'].map(
      (list) => `{.status.${list}[*].restartCount}`,
    );
    const said = await this.kubectl('get', 'pod', pod, `--output=jsonpath=${counts.join(' ')}`);
    return said.trim().split(/\s+/).map(Number);
  }

  /** Where something of ours is on the node, or among the objects of the cluster outside of the release's namespace. */
  async traces(): Promise<string[]> {
    const script = `find /run /opt/cni /etc/cni /var/run/k8s.cni.cncf.io -xdev -name '*usvhost*' 2>/dev/null
      find /var/lib/usvhost -mindepth 1
      grep -rl usvhost /etc/cni 2>/dev/null
      grep -o '[^ ]*usvhost/[^ ]*' /proc/mounts
      kubectl get clusterroles,clusterrolebindings,mutatingwebhookconfigurations,priorityclasses --output=name | grep usvhost
      true`;
    const said = await run(inside(['sh', '-c', script]));
    return said.split('\n').filter((line) => line !== '' && !line.includes('usvhost-cluster'));
  }

  /** Runs helm in the release's namespace. @throws UsvhostError USV_IO with what it said */
  async helm(command: string, ...args: readonly string[]): Promise<string> {
    const home = mkdtempSync(join(tmpdir(), 'usvhost-helm-'));
    try {
      const variables = ['CACHE', 'CONFIG', 'DATA'].map((name) => `HELM_${name}_HOME=${home}`);
      const flags = [`--namespace=${releaseNamespace}`, `--timeout=${patience}`];
      return await run(inside(['env', ...variables, await buildHelm(), command, ...args, ...flags]));
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  }
}

/** A release's image with other content, in the node's runtime. It is built of the same bundle, for another commit. */
export async function otherImage(): Promise<{ readonly repository: string; readonly tag: string }> {
  const [repository, tag] = ['usvhost.test/usvhost', 'other'];
  const place = mkdtempSync(join(tmpdir(), 'usvhost-other-'));
  try {
    const file = join(place, 'image.tar');
    const build = [process.execPath, join(projectRoot, 'scripts/image.ts')];
    const variables = ['env', 'SOURCE_DATE_EPOCH=86400', 'REVISION=other'];
    await run([...variables, ...build, '--name', `${repository}:${tag}`, '--out', file]);
    await importArchive(file);
    return { repository, tag };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Gives the image to the node's runtime. @throws UsvhostError USV_USAGE when it was not built */
async function importRelease(): Promise<void> {
  if (!existsSync(archive))
    throw usvFailure('USV_USAGE', `no ${archive}: npm run image builds it, and so does npm run test:cluster`);
  await importArchive(archive);
}
