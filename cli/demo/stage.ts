// SPDX-License-Identifier: Apache-2.0
//
// The stage of a story about pods, inside the walls of the sandbox: a node below a temporary root and two pods on it.
// Whoever builds a stage gets what undoes it, step by step, also of a stage that was never finished.

import { accessSync, closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { usvFailure } from '../../lib/errors.ts';
import { DemoNode, shimFile } from './node.ts';
import { chooseUid, Pod } from './pod.ts';
import { run } from './process.ts';

export interface Stage {
  readonly node: DemoNode;
  readonly pods: readonly [Pod, Pod];
  /** Of the sidecars. */
  readonly uid: number;
  /** Why the pods have no taps; undefined when they have. */
  readonly withoutTap: string | undefined;
}

export interface StageOptions {
  /** An empty directory that is nobody else's. */
  readonly root: string;
  readonly say: (line: string) => void;
  /** Why to do without taps, where they could be had. */
  readonly withoutTap?: string;
  /** Takes each step's undo as soon as there is something to undo; to be called last to first. */
  readonly onUndo: (undo: () => Promise<void>) => void;
}

/** @throws UsvhostError USV_NATIVE_BUILD without the CNI plugin, and of whatever failed */
export async function setStage({ root, say, withoutTap, onUndo }: StageOptions): Promise<Stage> {
  if (!canExecute(shimFile)) throw usvFailure('USV_NATIVE_BUILD', `${shimFile} is not there`);
  await run(['mount', '-t', 'tmpfs', '-o', 'mode=0755', 'usvhost-demo', root]);
  const realRoot = !isInUserNamespace();
  const tun: Tun =
    withoutTap === undefined ? await findTun(root, realRoot) : { path: '/dev/net/tun', reason: withoutTap };

  say(`node        switch, agent and a kubelet's device plugin API below ${root}`);
  const node = await DemoNode.start(root, { tunDevice: tun.path });
  onUndo(() => node.close());

  const uid = chooseUid({ realRoot });
  const endpoint = tun.reason === undefined ? 'tap' : 'socket';
  const makePod = async (name: string, address: string): Promise<Pod> => {
    const pod = await Pod.create(node, { name, ifname: 'net1', address, endpoint }, uid);
    onUndo(() => pod.close());
    say(`${name}       Allocate, CNI ADD: net1 ${address} ${pod.mac}, port ${pod.port} on the switch`);
    return pod;
  };
  const first = await makePod('pod-a', '10.37.0.1/24');
  const second = await makePod('pod-b', '10.37.0.2/24');
  return { node, pods: [first, second], uid, withoutTap: tun.reason };
}

function canExecute(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (errnoOf(error) === '') throw error;
    return false;
  }
}

/** In a user namespace of our own uid 0 is somebody else outside (user_namespaces(7)). */
function isInUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'));
}

interface Tun {
  /** The node that Allocate hands out. */
  readonly path: string;
  /** Why there is no tap; undefined when there is one. */
  readonly reason?: string;
}

/** Looks whether taps can be had: a device node that an unprivileged sidecar may open, a kernel with tun, and ping. */
async function findTun(root: string, realRoot: boolean): Promise<Tun> {
  let path = '/dev/net/tun';
  try {
    if (realRoot) {
      // A runtime copies a device's numbers and mode into the container. The node of the machine is often 0600, so a
      // template of our own is handed out.
      const directory = join(root, 'run/usvhost/dev');
      mkdirSync(directory, { recursive: true });
      const template = join(directory, 'net-tun');
      await run(['mknod', '-m', '0666', template, 'c', '10', '200']);
      path = template;
    }
    closeSync(openSync(path, 'r+'));
  } catch (error) {
    return { path: '/dev/net/tun', reason: `${path} cannot be used (${errnoOf(error) || String(error)})` };
  }
  try {
    await run(['ping', '-V']);
  } catch {
    return { path, reason: 'there is no ping command (apt-get install iputils-ping)' };
  }
  return { path };
}
