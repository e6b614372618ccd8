// SPDX-License-Identifier: Apache-2.0
//
// What every story in the cluster begins with: a cluster (the one that is up, or one of its own), our switch and agent as processes of
// the node, our plugin among the runtime's, a namespace for pods. Each step's undo stands beside it.

import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../../scripts/main.ts';
import { Program } from '../e2e/program.ts';
import { down, inside, isUp, up } from './cluster.ts';
import { nodeName } from './names.ts';
import { pathsIn } from './paths.ts';

export type OnUndo = (step: () => Promise<unknown>) => void;

/** For a start that may have to compile everything. */
export const stageMillis = 45 * 60_000;
/** For everything that the kubelet does within its own rhythm. */
const patience = '90s';
/** The agent's default number of devices. */
export const portCount = 64;

/** A program that runs in the node's namespaces. */
export class Inside {
  readonly program: Program;

  constructor(...command: readonly string[]) {
    // The shell tells the process id that the command will have, as the node sees it: signals have to come from there.
    this.program = new Program(inside(['sh', '-c', 'echo $$; exec "$@"', 'sh', ...command]));
  }

  async stop(signal = 'TERM'): Promise<void> {
    const hasPid = (): boolean => this.program.stdout.includes('\n');
    await this.program.until(hasPid, 'it said its process id');
    await run(inside(['kill', `-${signal}`, this.program.stdout.trim()]));
    await this.program.ended();
  }
}

export class Stage {
  readonly namespace = `story-${process.pid}`;
  #agent: Inside | undefined;

  static async set(onUndo: OnUndo): Promise<Stage> {
    if (!isUp()) {
      onUndo(leave);
      await up(() => undefined);
    }
    const stage = new Stage();
    await stage.#begin(onUndo);
    return stage;
  }

  async #begin(onUndo: OnUndo): Promise<void> {
    const plugin = '/opt/cni/bin/usvhost';
    await run(inside(['install', join(projectRoot, 'build/native/usvhost'), plugin]));
    onUndo(async () => run(inside(['rm', plugin])));

    const ports = new Inside(join(projectRoot, 'cli/usvhost'), 'switch');
    onUndo(async () => ports.stop());
    await ports.program.says('switch is listening');
    await this.startAgent();
    onUndo(async () => this.stopAgent());

    await this.kubectl('create', 'namespace', this.namespace);
    onUndo(async () => this.kubectl('delete', 'namespace', this.namespace, `--timeout=${patience}`));
    await this.kubectl('wait', '--for=create', 'serviceaccount/default', `--timeout=${patience}`);
  }

  /** The node's agent, while it runs. */
  get agent(): Program {
    if (this.#agent === undefined) throw usvFailure('USV_INTERNAL', 'the agent is not running');
    return this.#agent.program;
  }

  async startAgent(): Promise<void> {
    this.#agent = new Inside(join(projectRoot, 'cli/usvhost'), 'agent');
    await this.agent.says('registered with the kubelet');
  }

  async stopAgent(signal = 'TERM'): Promise<void> {
    await this.#agent?.stop(signal);
    this.#agent = undefined;
  }

  /** Kills the kubelet, which the node starts again. */
  async killKubelet(): Promise<void> {
    await run(inside(['sh', '-c', 'kill -KILL "$(cat "$1")"', 'sh', join(pathsIn('').pids, 'kubelet')]));
  }

  /** Runs kubectl in the story's namespace. @throws UsvhostError USV_IO with what it said */
  async kubectl(...args: readonly string[]): Promise<string> {
    return run(inside(['kubectl', '--namespace', this.namespace, ...args]));
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    await run(inside(['kubectl', '--namespace', this.namespace, 'apply', '--filename=-']), { stdin });
  }

  /** Waits until the kubelet offers that many ports. */
  async offers(count: number): Promise<void> {
    const value = String.raw`jsonpath={.status.allocatable.usvhost\.io/port}=${count}`;
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

/** Ends a cluster that a story has started. @throws UsvhostError USV_INTERNAL with what is left of it */
async function leave(): Promise<void> {
  const left = await down(() => undefined);
  if (left.length > 0) throw usvFailure('USV_INTERNAL', `the cluster left behind: ${left.join(', ')}`);
}
