// SPDX-License-Identifier: Apache-2.0
//
// What every story in the cluster begins with: our switch and agent as processes of the node, our plugin among the runtime's,
// a namespace for pods. Each step's undo stands beside it. The cluster is up by then: whoever runs the stories starts it.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { run } from '../../cli/demo/process.ts';
import { UsvhostError, usvFailure } from '../../lib/errors.ts';
import { projectRoot } from '../../scripts/main.ts';
import { Program } from '../e2e/program.ts';
import { eventually } from '../support/eventually.ts';
import { inside } from './cluster.ts';
import { nodeName } from './names.ts';
import { pathsIn } from './paths.ts';

export type OnUndo = (step: () => Promise<unknown>) => void;

/** Takes back the newest step first; a failure keeps none of the others from its turn. @throws UsvhostError USV_INTERNAL */
export async function undoAll(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: string[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (error) {
      failures.push(String(error));
    }
  }
  if (failures.length > 0) throw usvFailure('USV_INTERNAL', `not taken back:\n${failures.join('\n')}`);
}

/** For setting the stage, and for clearing it. */
export const stageMillis = 300_000;
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

interface StageOptions {
  /** Variables of the agent. */
  readonly agent?: Readonly<Record<string, string>>;
}

const usvhost = join(projectRoot, 'cli/usvhost');

export class Stage {
  /** Never one that is still ending. */
  readonly namespace = `story-${randomBytes(4).toString('hex')}`;
  readonly #agentVariables: readonly string[];
  #agent: Inside | undefined;
  #switch: Inside | undefined;

  private constructor({ agent = {} }: StageOptions) {
    this.#agentVariables = Object.entries(agent).map(([name, value]) => `${name}=${value}`);
  }

  static async set(onUndo: OnUndo, options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options);
    await stage.#begin(onUndo);
    return stage;
  }

  async #begin(onUndo: OnUndo): Promise<void> {
    await this.usvhost('install');
    onUndo(async () => this.usvhost('install', '--uninstall'));
    // What never gets ready has to be ended too.
    onUndo(async () => this.stopSwitch());
    await this.startSwitch();
    onUndo(async () => this.stopAgent());
    await this.startAgent();

    await this.kubectl('create', 'namespace', this.namespace);
    onUndo(async () => this.kubectl('delete', 'namespace', this.namespace, '--wait=false'));
    // While our parts run; the rest of a namespace takes its time and needs nobody.
    onUndo(async () => this.clear());
    await this.kubectl('wait', '--for=create', 'serviceaccount/default', `--timeout=${patience}`);
  }

  /** Runs a command of ours on the node. @throws UsvhostError USV_IO with what it said */
  async usvhost(...args: readonly string[]): Promise<string> {
    return run(inside([usvhost, ...args]));
  }

  /** The node's agent, while it runs. */
  get agent(): Program {
    if (this.#agent === undefined) throw usvFailure('USV_INTERNAL', 'the agent is not running');
    return this.#agent.program;
  }

  async startAgent(): Promise<void> {
    this.#agent = new Inside('env', ...this.#agentVariables, usvhost, 'agent');
    await this.agent.says('registered with the kubelet');
  }

  async stopAgent(signal = 'TERM'): Promise<void> {
    await this.#agent?.stop(signal);
    this.#agent = undefined;
  }

  async startSwitch(): Promise<void> {
    this.#switch = new Inside(usvhost, 'switch');
    await this.#switch.program.says('switch is listening');
  }

  async stopSwitch(signal = 'TERM'): Promise<void> {
    await this.#switch?.stop(signal);
    this.#switch = undefined;
  }

  /** Kills a daemon of the node, which starts it again. */
  async killDaemon(name: 'kubelet' | 'containerd', signal = 'KILL'): Promise<void> {
    const script = 'kill -"$1" "$(cat "$2")"';
    await run(inside(['sh', '-c', script, 'sh', signal, join(pathsIn('').pids, name)]));
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
