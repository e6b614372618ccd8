// SPDX-License-Identifier: Apache-2.0
//
// A namespace of its own for a story's pods, and what stories do there; whoever runs our daemons.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../../scripts/main.ts';
import { eventually } from '../support/eventually.ts';
import { inside } from './cluster.ts';
import { nodeName } from './names.ts';
import { pathsIn } from './paths.ts';
import type { OnUndo } from './undo.ts';

/** This checkout's command line. */
export const usvhost = join(projectRoot, 'cli/usvhost');
/** For everything that the kubelet does within its own rhythm. */
const patience = '90s';

export class PodSpace {
  /** Never one that is still ending. */
  readonly namespace = `story-${randomBytes(4).toString('hex')}`;

  /** Makes the namespace; its undo removes the pods first. `labels`: of the namespace, `key=value`. */
  async make(onUndo: OnUndo, ...labels: readonly string[]): Promise<void> {
    await this.kubectl('create', 'namespace', this.namespace);
    onUndo(async () => this.kubectl('delete', 'namespace', this.namespace, '--wait=false'));
    if (labels.length > 0) await this.kubectl('label', 'namespace', this.namespace, ...labels);
    // While our parts run; the rest of a namespace takes its time and needs nobody.
    onUndo(async () => this.clear());
    await this.kubectl('wait', '--for=create', 'serviceaccount/default', `--timeout=${patience}`);
  }

  /** Runs a command of ours on the node. @throws UsvhostError USV_IO with what it said */
  async usvhost(...args: readonly string[]): Promise<string> {
    return run(inside([usvhost, ...args]));
  }

  /** Removes all pods. Undo of whatever attaches pods begins with it: a DEL needs what their ADD needed. */
  async clear(): Promise<void> {
    await this.kubectl('delete', 'pods', '--all', `--timeout=${patience}`);
    await eventually(portsOfNode, (ports) => ports === '', 'no port', { millis: 60_000, stepMillis: 200 });
  }

  /** Returns when there is no port and `usvhost doctor` finds the node in order, without anything of a pod that is gone. */
  async nothingLeft(): Promise<void> {
    const look = async (): Promise<string> => {
      const ports = await portsOfNode();
      if (ports !== '') return ports;
      try {
        await this.usvhost('doctor', '--node');
        return '';
      } catch (error) {
        // What is wrong is in its words.
        if (error instanceof UsvhostError) return error.details;
        throw error;
      }
    };
    const options = { millis: 60_000, stepMillis: 200 };
    await eventually(look, (wrong) => wrong === '', 'a node without leftovers', options);
  }

  /** Kills a daemon of the node, which starts it again; STOP and CONT only keep it from answering. */
  async killDaemon(name: 'kubelet' | 'containerd' | 'kube-apiserver', signal = 'KILL'): Promise<void> {
    const script = 'kill -"$1" "$(cat "$2")"';
    await run(inside(['sh', '-c', script, 'sh', signal, join(pathsIn('').pids, name)]));
  }

  /** Runs kubectl in the story's namespace. @throws UsvhostError USV_IO with what it said */
  async kubectl(...args: readonly string[]): Promise<string> {
    return run(inside(['kubectl', '--namespace', this.namespace, ...args]));
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    await run(inside(['kubectl', '--namespace', this.namespace, 'apply', '--filename=-']), { stdin });
  }

  /** Waits until the kubelet offers that many of a resource. */
  async offers(count: number, resource = 'usvhost.io/port'): Promise<void> {
    const value = `jsonpath={.status.allocatable.${resource.replaceAll('.', String.raw`\.`)}}=${count}`;
    await this.kubectl('wait', `--for=${value}`, `node/${nodeName}`, `--timeout=${patience}`);
  }

  /** Waits until the containers of a pod run. @throws UsvhostError USV_IO with the pod's events */
  async runs(pod: string): Promise<void> {
    try {
      await this.kubectl('wait', '--for=condition=Ready', `pod/${pod}`, `--timeout=${patience}`);
    } catch (cause) {
      const events = await this.kubectl('get', 'events', '--output=custom-columns=:.reason,:.message');
      throw usvFailure('USV_IO', `pod ${pod} does not run:\n${events}`, { cause });
    }
  }

  /** Runs a command in a pod's only container. */
  async exec(pod: string, ...command: readonly string[]): Promise<string> {
    return this.kubectl('exec', pod, '--', ...command);
  }

  async remove(...pods: readonly string[]): Promise<void> {
    await this.kubectl('delete', 'pod', ...pods, `--timeout=${patience}`);
  }
}

/** Of pods that are there: their objects may vanish before their CNI DEL, and a port that is whole is no leftover to a doctor. */
async function portsOfNode(): Promise<string> {
  const script = 'ls /run/usvhost/ports; grep -o "/run/usvhost/pods/[^ ]*" /proc/mounts || true';
  return run(inside(['sh', '-c', script]));
}
