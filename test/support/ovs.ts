// SPDX-License-Identifier: Apache-2.0
//
// Debian's Open vSwitch with DPDK in a directory of its own: ovsdb-server and ovs-vswitchd as processes that a test may
// kill, on ordinary pages and one slow data thread. Both run where `enter` leads, in a network namespace that is not
// the machine's, since a bridge makes an interface.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { usvFailure } from '../../lib/errors.ts';
import { probeSocket } from '../../proto/socket-file.ts';
import { allowedCpus } from './cpus.ts';
import { eventually } from './eventually.ts';

const vswitchd = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk';
const schemaFile = '/usr/share/openvswitch/vswitch.ovsschema';
const run = promisify(execFile);
/** A start touches all of its memory, beside other tests. */
const startMillis = 60_000;
let serial = 0;

/** For a benchmark: a data thread that polls without pause. */
interface BusyOvs {
  /** Of the data thread. */
  readonly cpu: number;
  readonly hugepages: boolean;
}

interface OvsOptions {
  /** A command that runs another one in a network namespace of the test's. */
  readonly enter?: readonly string[];
  readonly busy?: BusyOvs;
}

export class RunningOvs {
  readonly database: string;
  readonly #directory: string;
  readonly #enter: readonly string[];
  readonly #busy: BusyOvs | undefined;
  readonly #prefix = `usv-ovs-${process.pid}-${serial++}`;
  #server: ChildProcess | undefined;
  #vswitchd: ChildProcess | undefined;

  constructor(directory: string, { enter = ownNetwork(), busy }: OvsOptions = {}) {
    this.#directory = directory;
    this.#enter = enter;
    this.#busy = busy;
    this.database = join(directory, 'db.sock');
  }

  /** Both programs, with a bridge. */
  static async start(
    directory: string,
    options: OvsOptions & { readonly bridge?: string } = {},
  ): Promise<RunningOvs> {
    const ovs = new RunningOvs(directory, options);
    try {
      await ovs.startServer();
      await ovs.startVswitchd();
      const { bridge = 'br-usvhost' } = options;
      await ovs.ctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev');
      return ovs;
    } catch (error) {
      await ovs.close();
      throw error;
    }
  }

  /** ovsdb-server, with a new database unless there is one. */
  async startServer(): Promise<void> {
    const file = join(this.#directory, 'conf.db');
    const fresh = (await run('ovsdb-tool', ['db-version', file]).catch(() => undefined)) === undefined;
    if (fresh) await run('ovsdb-tool', ['create', file, schemaFile]);
    this.#server = this.#spawn('ovsdb-server', [
      file,
      `--remote=punix:${this.database}`,
      ...this.#flags('server'),
    ]);
    await eventually(
      () => probeSocket(this.database),
      (state) => state === 'live',
      'ovsdb-server',
      { millis: startMillis },
    );
    if (fresh) await this.configure('true');
  }

  /** `dpdkInit`: value of dpdk-init. */
  async configure(dpdkInit: string): Promise<void> {
    const { cpu = allowedCpus().at(-1) ?? 0, hugepages = false } = this.#busy ?? {};
    const memory = hugepages ? '--in-memory' : `--no-huge --legacy-mem --file-prefix=${this.#prefix}`;
    const eal = `${memory} -m 1024 --no-pci --no-telemetry`;
    await this.ctl(
      '--no-wait',
      ...['init', '--', 'set', 'Open_vSwitch', '.', `other_config:dpdk-init=${dpdkInit}`],
      `other_config:dpdk-extra="${eal}"`,
      ...(this.#busy === undefined ? ['other_config:pmd-maxsleep=500'] : []),
      // The memory that all ports share would not fit; a port's own is a tenth of that.
      'other_config:per-port-memory=true',
      `other_config:pmd-cpu-mask=0x${(1n << BigInt(cpu)).toString(16)}`,
    );
  }

  /** ovs-vswitchd; returns when it has taken over the configuration. */
  async startVswitchd(): Promise<void> {
    this.#vswitchd = this.#spawn(vswitchd, [`unix:${this.database}`, ...this.#flags('vswitchd')]);
    const ended = once(this.#vswitchd, 'exit').then(() => {
      throw usvFailure('USV_IO', `ovs-vswitchd ended: ${this.log().slice(-3000)}`);
    });
    ended.catch(() => undefined); // it ends one day
    await Promise.race([ended, this.settled()]);
  }

  /** Runs ovs-vsctl, which waits for ovs-vswitchd unless told not to, and returns what it prints. */
  async ctl(...args: readonly string[]): Promise<string> {
    const own = [`--db=unix:${this.database}`, `--timeout=${startMillis / 1000}`];
    return (await run('ovs-vsctl', [...own, ...args])).stdout.trim();
  }

  /** Resolves when ovs-vswitchd has taken over a change that is made now; one that changes nothing is not waited for. */
  async settled(): Promise<void> {
    await this.ctl('set', 'Open_vSwitch', '.', `external_ids:serial=${serial++}`);
  }

  /** Names of the ports of a bridge. */
  async ports(bridge = 'br-usvhost'): Promise<string[]> {
    return (await this.ctl('--no-wait', 'list-ports', bridge)).split('\n').filter(Boolean);
  }

  async killVswitchd(): Promise<void> {
    await end(this.#vswitchd);
    this.#vswitchd = undefined;
  }

  async killServer(): Promise<void> {
    await end(this.#server);
    this.#server = undefined;
  }

  /** Stops it where it is, or lets it go on. */
  freezeVswitchd(frozen: boolean): void {
    this.#vswitchd?.kill(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  forgetDatabase(): void {
    rmSync(join(this.#directory, 'conf.db'), { force: true });
  }

  /** The log of ovs-vswitchd. */
  log(): string {
    return readFileSync(join(this.#directory, 'vswitchd.log'), 'utf8');
  }

  async close(): Promise<void> {
    await this.killVswitchd();
    await this.killServer();
  }

  #flags(name: string): string[] {
    const file = (extension: string): string => join(this.#directory, `${name}.${extension}`);
    return [
      '--no-chdir',
      ...[`--unixctl=${file('ctl')}`, `--pidfile=${file('pid')}`, `--log-file=${file('log')}`],
      '-vconsole:off',
    ];
  }

  #spawn(command: string, args: readonly string[]): ChildProcess {
    const [program = '', ...before] = [...this.#enter, command, ...args];
    const at = this.#directory;
    // The last is where DPDK keeps its files.
    const directories = { OVS_RUNDIR: at, OVS_LOGDIR: at, OVS_DBDIR: at, RUNTIME_DIRECTORY: at };
    return spawn(program, before, { stdio: 'ignore', env: { ...process.env, ...directories } });
  }
}

const isRoot = (): boolean => process.getuid?.() === 0;

const ownNetwork = (): string[] => ['unshare', ...(isRoot() ? [] : ['-U', '-r']), '-n', '--'];

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
