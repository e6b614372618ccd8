// SPDX-License-Identifier: Apache-2.0
//
// A whole node of real processes below a temporary root: switch, agent, a kubelet's device plugin API, and a mount and
// network namespace in which the CNI plugin runs as a runtime would start it. Everything on it can be listed, so that a
// test can see that something changed nothing.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostPaths, hostPaths } from '../../lib/names.ts';
import { type ControlClient, controlClient } from '../contract/switch/control-client.ts';
import { type FakeKubelet, startFakeKubelet } from '../fakes/kubelet.ts';
import { amRoot, ourselves, tree } from './person.ts';
import { type Exit, Program, usvhost } from './program.ts';
import { insideOf, type Walls, withinWalls } from './walls.ts';

/** The arguments that run `usvhost` with these arguments. */
type Launch = (args: readonly string[]) => string[];

const fromTree: Launch = (args) => ourselves.usvhost(args);

interface NodeOptions {
  /** Default: from the tree. */
  readonly launch?: Launch;
  /** File systems of their own, small ones, by directory below the root. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** Around switch and agent; default none. Another uid than 0 takes tests that root runs. */
  readonly walls?: Walls;
  /** Of switch and agent, beside that of the tests. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Pod {
  readonly containerId: string;
  readonly netns: string;
  readonly device: string;
}

/** A process that holds namespaces until its standard input ends. */
async function holder(command: readonly string[]): Promise<Program> {
  const program = new Program([...command, 'sh', '-c', 'echo ready; exec cat']);
  await program.until(() => program.stdout !== '', 'it held its namespaces');
  return program;
}

export class RealNode {
  readonly paths: HostPaths;
  readonly control: ControlClient;
  /** The root as the daemons see it. */
  readonly seen: string;
  /** The daemons run where the runtime runs, and see its mounts. */
  readonly #inside: boolean;
  readonly #launch: Launch;
  readonly #walls: Walls | undefined;
  readonly #env: Readonly<Record<string, string>>;
  readonly kubelet: FakeKubelet;
  readonly #holder: Program;
  readonly #others: Program[] = [];
  readonly #pods: Program[] = [];
  readonly #dataplanes: Program[] = [];
  #switch: Program | undefined;
  #agent: Program | undefined;
  #serial = 0;

  private constructor(
    paths: HostPaths,
    kubelet: FakeKubelet,
    held: Program,
    inside: boolean,
    { launch = fromTree, walls, env = {} }: NodeOptions,
  ) {
    this.paths = paths;
    this.kubelet = kubelet;
    this.#holder = held;
    this.#inside = inside;
    this.#launch = launch;
    this.#walls = walls;
    this.#env = env;
    this.seen = inside ? `/proc/${held.pid}/root${paths.root}` : paths.root;
    this.control = controlClient(hostPaths(this.seen).switchSocket);
  }

  static async start(options: NodeOptions = {}): Promise<RealNode> {
    const { volumes = {}, walls } = options;
    const paths = hostPaths(mkdtempSync(join(tmpdir(), 'usv-')));
    const user = amRoot ? [] : ['--user', '--map-root-user'];
    const held = await holder(['unshare', ...user, '--mount', '--net', '--propagation', 'private']);
    const inside = Object.keys(volumes).length > 0;
    const node = new RealNode(paths, await startFakeKubelet({ root: paths.root }), held, inside, options);
    for (const [below, size] of Object.entries(volumes)) {
      const path = join(paths.root, below);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      await node.run('mount', '-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'none', path);
    }
    if (walls !== undefined) await node.#prepareWalls(walls);
    await node.startSwitch();
    await node.startAgent();
    await node.kubelet.until(() => node.#healthy(), 'healthy ports');
    return node;
  }

  /** What the node's administrator does: the root's mounts are told to who has them, and the daemons own their places. */
  async #prepareWalls({ uid }: Walls): Promise<void> {
    const own = uid === 0 ? '' : `; chown -R ${uid}:${uid} "$0"`;
    await this.run('sh', '-ec', `mount --bind "$0" "$0"; mount --make-shared "$0"${own}`, this.paths.root);
  }

  #healthy(): boolean {
    return [...(this.kubelet.devices('usvhost.io/port')?.values() ?? [])].includes('Healthy');
  }

  /** Starts `usvhost` with this node's root; ended with the node. */
  command(...args: readonly string[]): Program {
    return this.#start([...(this.#inside ? this.#enter : []), ...this.#command(args)]);
  }

  /** The same for a daemon, within the walls if there are any. */
  #daemon(...args: readonly string[]): Program {
    if (this.#walls === undefined) return this.command(...args);
    return this.#start(withinWalls(this.#walls, this.#holder.pid, this.#command(args)));
  }

  #command(args: readonly string[]): string[] {
    return this.#launch([...args, '--root', this.paths.root]);
  }

  #start(argv: readonly string[]): Program {
    const env = { ...this.#env, USVHOST_AGENT_METRICS_ADDRESS: 'null' };
    const program = new Program(argv, { env, stdin: '' });
    this.#others.push(program);
    return program;
  }

  /** Starts `usvhost dataplane` on the socket of a port; ended by clear(). */
  dataplane(port: string): Program {
    const devargs = `net_virtio_user0,path=${this.paths.portSocket(port)}`;
    const program = usvhost(['dataplane', '--port', devargs, '--engine', 'rxonly'], { stdin: '' });
    this.#dataplanes.push(program);
    return program;
  }

  /** Ends all dataplanes and removes all ports, so that what one test has left does not reach the next. */
  async clear(): Promise<void> {
    for (const program of this.#dataplanes.splice(0)) await program.stop('SIGKILL');
    for (const name of await this.control.portNames()) await this.control.removePort(name ?? '');
  }

  async startSwitch(): Promise<void> {
    this.#switch = this.#daemon('switch');
    await this.#switch.says('switch is listening');
    await this.control.ready();
  }

  async startAgent(...args: readonly string[]): Promise<void> {
    this.#agent = this.#daemon('agent', ...args);
    await this.#agent.says('agent is listening');
  }

  async killSwitch(): Promise<void> {
    await this.#kill(this.#switch);
  }

  async #kill(program: Program | undefined): Promise<void> {
    if (program === undefined) return;
    // A process that has become another user does not end with who built its walls.
    const inside = this.#walls === undefined ? undefined : insideOf(program.pid);
    if (inside !== undefined) process.kill(inside, 'SIGKILL');
    await program.stop('SIGKILL');
  }

  async killAgent(): Promise<void> {
    await this.#kill(this.#agent);
  }

  /** Arguments of nsenter for the namespaces in which the runtime runs. */
  get #enter(): string[] {
    const user = amRoot ? [] : ['--user', '--preserve-credentials'];
    return ['nsenter', '-t', String(this.#holder.pid), ...user, '--mount', '--net', '--'];
  }

  /** A network namespace and a device, as a kubelet and a runtime make them. */
  async pod(): Promise<Pod> {
    const held = await holder([...this.#enter, 'unshare', '--net']);
    this.#pods.push(held);
    // Not for a moment after a restart of the switch.
    await this.kubelet.until(() => this.#healthy(), 'healthy ports');
    const { devices } = await this.kubelet.allocate('usvhost.io/port', 1);
    const netns = `/proc/${held.pid}/ns/net`;
    return { containerId: `container-${this.#serial++}`, netns, device: devices[0] ?? '' };
  }

  /** Runs a command where the runtime runs. */
  exec(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Exit> {
    return new Program([...this.#enter, ...argv], { env, stdin: '' }).ended();
  }

  /** The same for a command that must succeed; returns its standard output. */
  async run(...argv: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.exec(argv);
    if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr}`);
    return stdout;
  }

  /** Ends all pods, whose network namespaces go with them. */
  async endPods(): Promise<void> {
    for (const program of this.#pods.splice(0)) await program.stop('SIGKILL');
  }

  /** Processes of the switch and of the agent. */
  daemons(): number[] {
    return [this.#switch, this.#agent].flatMap((program) => {
      if (program === undefined) return [];
      return (this.#walls === undefined ? program.pid : insideOf(program.pid)) ?? [];
    });
  }

  /** Asks the agent to end, and waits for it. */
  async stopAgent(): Promise<Exit | undefined> {
    const [, agent = 0] = this.daemons();
    process.kill(agent, 'SIGTERM');
    return this.#agent?.ended();
  }

  /** Runs the CNI plugin. `config`: whole standard input as text, or keys over a good configuration. */
  async cni(command: string, pod: Pod, config: string | object = {}): Promise<Exit> {
    const good = {
      cniVersion: '1.1.0',
      name: 'net',
      type: 'usvhost',
      endpoint: 'socket',
      deviceID: pod.device,
    };
    const stdin = typeof config === 'string' ? config : JSON.stringify({ ...good, ...config });
    const env = {
      USVHOST_ROOT: this.paths.root,
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: pod.netns,
      CNI_IFNAME: 'net1',
      CNI_PATH: '/usr/lib/cni',
      CNI_ARGS: 'IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=app-0',
    };
    return new Program([...this.#enter, join(tree, 'build/native/usvhost')], { env, stdin }).ended();
  }

  /** Runs `usvhost` where the runtime runs and the mounts are seen. */
  inside(...args: readonly string[]): Promise<Exit> {
    return new Program([...this.#enter, ...ourselves.usvhost(args)], { stdin: '' }).ended();
  }

  /** Everything below the root and every mount of it. What comes and goes with SQLite's own work is left out. */
  state(): string[] {
    const names = readdirSync(this.seen, { recursive: true, encoding: 'utf8' });
    const mountinfo = readFileSync(`/proc/${this.#holder.pid}/mountinfo`, 'utf8').split('\n');
    return [
      ...names.filter((name) => !/agent\.db-/.test(name)).toSorted(),
      ...mountinfo.filter((line) => line.includes(this.paths.root)),
    ];
  }

  async close(): Promise<void> {
    this.control.close();
    await this.kubelet.close();
    await this.endPods();
    for (const program of [...this.#dataplanes, ...this.#others.reverse()]) await this.#kill(program);
    await this.#holder.stop('SIGKILL');
    rmSync(this.paths.root, { recursive: true, force: true });
  }
}
