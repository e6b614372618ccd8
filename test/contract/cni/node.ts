// SPDX-License-Identifier: Apache-2.0
//
// A node for CNI tests: a temporary root, a mount and network namespace in which the real shim runs as a runtime would
// start it, pods as network namespaces, the agent and a switch. The agent stays outside of the mount namespace, so that
// it can only do by the shim's hands what it does. Works as root or, with user namespaces, without.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { type AgentDaemon, type AgentDeps, startAgent } from '../../../agent/daemon.ts';
import { hostPaths } from '../../../lib/names.ts';
import { type FakeSwitch, startFakeSwitch } from '../../fakes/switch.ts';
import { groupNeeds } from '../../support/need.ts';
import { agentConfig } from './agent-config.ts';

export const shimFile =
  process.env['USVHOST_SHIM'] ?? fileURLToPath(new URL('../../../build/native/usvhost', import.meta.url));
const agentFile = fileURLToPath(new URL('agent-process.ts', import.meta.url));
export const ipamDirectory = '/usr/lib/cni';

/** `describe` for tests on a node. */
export const onNode = groupNeeds('unshare', 'nsenter', 'ip', 'host-local');

export interface ShimRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Parsed standard output, undefined when it is empty. */
  // A document of a foreign specification, looked at field by field in tests.
  readonly json: any;
}

export interface Pod {
  readonly containerId: string;
  readonly netns: string;
  readonly device: string;
  /** Runs a command in the pod's network namespace and returns its standard output. */
  run(command: string, ...args: string[]): Promise<string>;
  close(): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

export async function output(
  child: ChildProcess,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

// A process that only holds namespaces; its first line of output is its pid.
async function holder(
  command: string,
  args: readonly string[],
): Promise<{ readonly pid: number; close(): void }> {
  const child = spawn(command, [...args, 'sh', '-c', 'echo $$; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line]: unknown[] = await once(child.stdout, 'data');
  const pid = Number.parseInt(String(line), 10);
  return { pid, close: () => void process.kill(pid, 'SIGKILL') };
}

export class TestNode {
  readonly root: string;
  readonly leases: string;
  #holder: { readonly pid: number; close(): void } | undefined;
  #agent: AgentDaemon | undefined;
  #switch: FakeSwitch | undefined;
  readonly #pods = new Set<Pod>();
  #serial = 0;

  /** `root`: of another node, to share it. */
  constructor(root = mkdtempSync(join(tmpdir(), 'usv-'))) {
    this.root = root;
    this.leases = join(root, 'leases');
  }

  static async start(options: { readonly agent?: boolean } = {}): Promise<TestNode> {
    const node = new TestNode();
    const own = process.getuid?.() === 0 ? [] : ['-U', '-r'];
    node.#holder = await holder('unshare', [...own, '-m', '-n', '--propagation', 'private']);
    node.#switch = await startFakeSwitch(node.root);
    if (options.agent !== false) await node.startAgent();
    return node;
  }

  get switch(): FakeSwitch {
    if (this.#switch === undefined) throw new Error('no switch');
    return this.#switch;
  }

  /** Where the agent serves metrics. */
  get status(): AgentDaemon['status'] {
    return this.#agent?.status;
  }

  /** `hands` wraps the steps of each call. */
  async startAgent(
    options: {
      readonly bootId?: string;
      readonly hands?: AgentDeps['hands'];
      readonly reconcileSeconds?: number;
      readonly log?: AgentDeps['log'];
      /** Fields of the configuration, over the defaults. */
      readonly config?: object;
    } = {},
  ): Promise<void> {
    const { reconcileSeconds, config = {}, ...deps } = options;
    this.#agent = await startAgent(agentConfig(this.root, { reconcileSeconds, ...config }), {
      log: pino({ level: process.env['USVHOST_LOG'] ?? 'silent' }),
      bootId: 'boot-1',
      ...deps,
    });
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.close();
    this.#agent = undefined;
  }

  /** A command that runs another one where the runtime runs. */
  get enterCommand(): string[] {
    return ['nsenter', ...this.#enter];
  }

  /** A path below the mounts of the runtime, from here. */
  seen(path: string): string {
    return `/proc/${this.#holder?.pid}/root${path}`;
  }

  /** Arguments of nsenter for the namespaces in which the runtime runs. */
  get #enter(): string[] {
    const user = process.getuid?.() === 0 ? [] : ['-U', '--preserve-credentials'];
    return ['-t', String(this.#holder?.pid), ...user, '-m', '-n', '--'];
  }

  /** Runs a command where the runtime runs. */
  async run(command: string, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await output(spawn('nsenter', [...this.#enter, command, ...args]));
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${code}: ${stderr}`);
    return stdout;
  }

  /** An agent as a process where the runtime runs, so that it sees the shim's mounts; resolves when it listens. */
  async spawnAgent(...args: string[]): Promise<ChildProcess> {
    const command = [process.execPath, '--no-warnings', agentFile, this.root, ...args];
    const agent = spawn('nsenter', [...this.#enter, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(agent.stdout, 'data');
    return agent;
  }

  /** A pod with a network namespace and an allocated device (its directory is made as the device plugin does). */
  async pod(device = `port-${this.#serial}`): Promise<Pod> {
    const serial = this.#serial++;
    const held = await holder('nsenter', [...this.#enter, 'unshare', '-n']);
    mkdirSync(join(this.root, 'run/usvhost/pods', device), { recursive: true });
    const pod: Pod = {
      containerId: `container-${serial}`,
      netns: `/proc/${held.pid}/ns/net`,
      device,
      run: async (command, ...args) =>
        this.run('nsenter', `--net=/proc/${held.pid}/ns/net`, command, ...args),
      close: () => {
        this.#pods.delete(pod);
        held.close();
      },
    };
    this.#pods.add(pod);
    return pod;
  }

  /** Starts the real shim; the caller waits for it or ends it. */
  spawnShim(env: Environment, stdin: string): ChildProcess {
    const clean: Environment = {
      PATH: process.env['PATH'],
      USVHOST_ROOT: this.root,
      CNI_PATH: ipamDirectory,
      ...env,
    };
    const child = spawn('nsenter', [...this.#enter, shimFile], { env: { ...clean } });
    child.stdin.on('error', () => undefined); // a shim that refuses early does not read
    child.stdin.end(stdin);
    return child;
  }

  async shim(env: Environment, stdin: string): Promise<ShimRun> {
    const { code, stdout, stderr } = await output(this.spawnShim(env, stdin));
    return { code, stdout, stderr, json: stdout === '' ? undefined : JSON.parse(stdout) };
  }

  environment(command: string, pod: Pod, ifname = 'net1'): Environment {
    return {
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: pod.netns,
      CNI_IFNAME: ifname,
    };
  }

  async cni(command: string, pod: Pod, config: object, env: Environment = {}): Promise<ShimRun> {
    return this.shim({ ...this.environment(command, pod), ...env }, JSON.stringify(config));
  }

  /** Configuration of a network for the pod; `more` adds and replaces keys. */
  config(pod: Pod, more: object = {}): Record<string, unknown> {
    return { cniVersion: '1.1.0', name: 'fast', type: 'usvhost', deviceID: pod.device, ...more };
  }

  /** host-local with its leases below the root. */
  hostLocal(subnet = '10.9.0.0/24'): object {
    return {
      type: 'host-local',
      dataDir: this.leases,
      ranges: [[{ subnet }]],
      routes: [{ dst: '10.77.0.0/16' }],
    };
  }

  /** The DELs that shims did without an agent. */
  tombstones(): string[] {
    const { tombstonesDir } = hostPaths(this.root);
    return existsSync(tombstonesDir) ? readdirSync(tombstonesDir) : [];
  }

  /** Everything an attachment could leave on this node: mounts, directories, ports, leases. */
  async traces(): Promise<string[]> {
    const mountinfo = await this.run('cat', '/proc/self/mountinfo');
    const mounts = mountinfo.split('\n').filter((line) => line.includes(this.root));
    const below = (directory: string): string[] =>
      existsSync(directory) ? readdirSync(directory, { recursive: true }).map(String) : [];
    const pods = below(join(this.root, 'run/usvhost/pods')).filter((path) => path.includes('/'));
    const leases = below(this.leases).filter((path) => /\d+\.\d+\.\d+\.\d+$/u.test(path));
    return [
      ...mounts,
      ...pods,
      ...below(join(this.root, 'run/usvhost/ports')),
      ...this.switch.ports.keys(),
      ...leases,
    ];
  }

  async close(): Promise<void> {
    await this.stopAgent();
    await this.#switch?.kill();
    for (const pod of this.#pods) pod.close();
    this.#holder?.close();
    rmSync(this.root, { recursive: true, force: true });
  }
}
