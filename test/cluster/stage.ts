// SPDX-License-Identifier: Apache-2.0
//
// What most stories in the cluster begin with: our switch and agent as processes of the node, our plugin among the runtime's,
// a namespace for pods. Each step's undo stands beside it. The cluster is up by then: whoever runs the stories starts it.

import { run } from '../../cli/demo/process.ts';
import { usvFailure } from '../../lib/errors.ts';
import { Program } from '../e2e/program.ts';
import { inside } from './cluster.ts';
import { PodSpace, usvhost } from './pod-space.ts';
import type { OnUndo } from './undo.ts';

/** For setting the stage, and for clearing it. */
export const stageMillis = 300_000;

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

export interface StageOptions {
  /** Variables of the agent. */
  readonly agent?: Readonly<Record<string, string>>;
}

export class Stage extends PodSpace {
  readonly #agentVariables: readonly string[];
  #agent: Inside | undefined;
  #switch: Inside | undefined;

  private constructor({ agent = {} }: StageOptions) {
    super();
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

    await this.make(onUndo);
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

  /** After a power cut: switch and agent have ended, and start as on a node that boots. The agent waits for the kubelet. */
  async startAfterPowerCut(): Promise<void> {
    await Promise.all([this.#agent?.program.ended(), this.#switch?.program.ended()]);
    await this.startSwitch();
    await this.startAgent();
  }
}
