// SPDX-License-Identifier: Apache-2.0
//
// Starts DPDK's testpmd, talks to its command line and ends it. Readiness and every answer are read from its output;
// each process has a prefix of its own for its shared files, so that any number may run beside each other and beside
// other DPDK programs. It must never change the machine: hugepages are used only when asked for.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { usvFailure } from '../../lib/errors.ts';
import { allowedCpus } from './cpus.ts';
import { parseForwardStats, parsePortStats, type TestpmdStats } from './testpmd-stats.ts';

export interface VirtioUserPort {
  readonly kind: 'virtio-user';
  /** Socket of the back-end, which listens; with the device argument `server=1` testpmd's own. */
  readonly path: string;
  readonly mac: string;
  readonly queueSize: number;
  /** Queue pairs; default 1. */
  readonly queues?: number;
  /** Further device arguments as written, `mrg_rxbuf=0`. */
  readonly devargs?: readonly string[];
}

export interface VhostPort {
  readonly kind: 'vhost';
  /** Socket that testpmd makes and listens on. */
  readonly path: string;
  /** Somebody else listens there, and testpmd connects, again and again. */
  readonly client?: boolean;
  /** Queue pairs at most; default 1. */
  readonly queues?: number;
}

/** A tap device that testpmd makes where it runs. */
export interface TapPort {
  readonly kind: 'tap';
  /** Name of the interface. */
  readonly device: string;
  readonly mac: string;
}

type TestpmdPort = VirtioUserPort | VhostPort | TapPort;

export interface TestpmdOptions {
  readonly ports: readonly TestpmdPort[];
  /** A command that runs another one where testpmd is to run. */
  readonly enter?: readonly string[];
  readonly forward: 'io' | 'macswap' | 'rxonly' | 'txonly' | 'csum';
  /** CPU of the data thread. Default: the last one that may be used. */
  readonly cpu?: number;
  /** Both threads run where the scheduler puts them. Default: pinned. */
  readonly cpus?: 'any';
  /** CPU of the thread that reads commands; default: that of the data thread. */
  readonly mainCpu?: number;
  /** Default: ordinary pages, which every machine has. */
  readonly hugepages?: boolean;
  /** Descriptors of each ring as the application asks for them. Default 1024. */
  readonly ringSize?: number;
  /** Destination address of the frames that leave by a port, in order of ports; for txonly. */
  readonly peerMacs?: readonly string[];
  /** Bytes of txonly's frames. */
  readonly frameSize?: number;
  /** Default 16384. */
  readonly buffers?: number;
  /** Bytes that one buffer takes; longer frames lie in chains of them. Default: as large as any frame. */
  readonly bufferBytes?: number;
  /** How wide vectors may be, in bits; DPDK's vectorized path of packed rings wants 512. Default: DPDK's 256. */
  readonly vectorBits?: number;
  /** What DPDK's parts tell in `output`, `pmd.net.virtio.init:info`. Default: warnings. */
  readonly logLevels?: readonly string[];
  /** Further arguments of the application, `--rxq=8`. */
  readonly arguments?: readonly string[];
}

// The prompt is written one character at a time, and events of ports are printed by another thread right into it.
const prompt = new RegExp(Array.from('testpmd> ').join('\\n?'));
const portEvent = /Port \d+: [\w ]+ event\n/g;
const startMillis = 30_000;
const answerMillis = 10_000;
const stopMillis = 5_000;
const memoryMegabytes = 256;
/** In front of what a buffer takes (DPDK's RTE_PKTMBUF_HEADROOM). */
const headroomBytes = 128;
let serial = 0;

function deviceArguments(port: TestpmdPort, index: number): string {
  if (port.kind === 'tap') return `net_tap${index},iface=${port.device},mac=${port.mac}`;
  if (port.kind === 'vhost') {
    const client = port.client === true ? 1 : 0;
    return `net_vhost${index},iface=${port.path},queues=${port.queues ?? 1},client=${client}`;
  }
  const { path, mac, queueSize, queues = 1, devargs = [] } = port;
  return [
    `net_virtio_user${index},path=${path},mac=${mac},queues=${queues},queue_size=${queueSize}`,
    ...devargs,
  ].join(',');
}

function bufferArguments({ ports, bufferBytes }: TestpmdOptions): string[] {
  if (bufferBytes === undefined) return [];
  // vhost makes chains unasked, and does not know the word.
  const scatter = ports.some(({ kind }) => kind === 'vhost') ? [] : ['--enable-scatter'];
  return [`--mbuf-size=${headroomBytes + bufferBytes}`, ...scatter];
}

/** The command line of one testpmd, from its name on. */
function testpmdCommand(options: TestpmdOptions, prefix: string): string[] {
  const { cpu = allowedCpus().at(-1) ?? 0, mainCpu = cpu, ringSize = 1024, peerMacs = [] } = options;
  const memory =
    options.hugepages === true
      ? ['--in-memory', '--single-file-segments']
      : ['--no-huge', `--file-prefix=${prefix}`];
  const all = `(${allowedCpus().join(',')})`;
  const lcores = options.cpus === 'any' ? `0@${all},1@${all}` : `0@${mainCpu},1@${cpu}`;
  return [
    'dpdk-testpmd',
    ...[`--lcores=${lcores}`, '--no-pci', '--no-telemetry', '-m', String(memoryMegabytes)],
    ...memory,
    ...(options.vectorBits === undefined ? [] : [`--force-max-simd-bitwidth=${options.vectorBits}`]),
    ...(options.logLevels ?? []).map((level) => `--log-level=${level}`),
    ...options.ports.map((port, index) => `--vdev=${deviceArguments(port, index)}`),
    '--',
    ...['-i', '--nb-cores=1', `--txd=${ringSize}`, `--rxd=${ringSize}`, `--forward-mode=${options.forward}`],
    `--total-num-mbufs=${options.buffers ?? 16384}`,
    ...bufferArguments(options),
    ...(options.frameSize === undefined ? [] : [`--txpkts=${options.frameSize}`]),
    ...peerMacs.map((mac, index) => `--eth-peer=${index},${mac}`),
    ...(options.arguments ?? []),
  ];
}

export class Testpmd {
  readonly #process: ChildProcess;
  readonly #prefix: string;
  readonly #closed: Promise<unknown>;
  #output = '';
  /** Standard output since the last prompt. */
  #answer = '';
  #onOutput: () => void = () => undefined;

  private constructor(process: ChildProcess, prefix: string) {
    this.#process = process;
    this.#prefix = prefix;
    this.#closed = once(process, 'close').catch((cause: unknown) => {
      this.#output += String(cause);
    });
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        if (stream === process.stdout) this.#answer += text;
        this.#onOutput();
      });
    }
    // Whoever waits finds out by the end of the process.
    process.stdin?.on('error', () => undefined);
    void this.#closed.then(() => this.#onOutput());
  }

  /**
   * Resolves when all ports are configured and commands are read. A virtio-user port is then connected; a vhost port listens.
   * @throws UsvhostError USV_IO with testpmd's output when it ends or is not ready in time
   */
  static async start(options: TestpmdOptions): Promise<Testpmd> {
    const prefix = `usv-${process.pid}-${serial++}`;
    // stdbuf: a C library buffers whole blocks into a pipe, and answers would come at the end only.
    const argv = [...(options.enter ?? []), 'stdbuf', '-oL', ...testpmdCommand(options, prefix)];
    const [program = '', ...args] = argv;
    const testpmd = new Testpmd(spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] }), prefix);
    try {
      await testpmd.#prompted(startMillis);
      await testpmd.#checkPorts();
      return testpmd;
    } catch (error) {
      await testpmd.kill();
      throw error;
    }
  }

  /** It prompts for commands even though it could not start its ports, and says so on standard error. */
  async #checkPorts(): Promise<void> {
    // By the next answer what was written before the first one has been read.
    await this.command('show port summary all');
    const failed = /Start ports failed|Fail to start port \d+/.exec(this.#output)?.[0];
    if (failed !== undefined) throw usvFailure('USV_IO', `testpmd: ${failed}:\n${this.#output}`);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get #running(): boolean {
    return (
      this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  /** All output so far. */
  get output(): string {
    return this.#output;
  }

  /** Runs one command and returns what it printed. @throws UsvhostError USV_IO when testpmd has ended or hangs */
  async command(text: string): Promise<string> {
    this.#answer = '';
    this.#process.stdin?.write(`${text}\n`);
    return this.#prompted(answerMillis);
  }

  /** Starts forwarding; `bursts`: first sends so many bursts of 32 frames from each port. */
  async startForwarding(bursts = 0): Promise<void> {
    await this.command(bursts === 0 ? 'start' : `start tx_first ${bursts}`);
  }

  /** Bytes of the frames that `start tx_first` and txonly make from now on. */
  async setFrameSize(bytes: number): Promise<void> {
    await this.command(`set txpkts ${bytes}`);
  }

  /** Stops forwarding and returns what it has done since its start, a row for each port. */
  async stopForwarding(): Promise<TestpmdStats[]> {
    return parseForwardStats(await this.command('stop'));
  }

  /** What forwarding has done since its start, a row for each port. */
  async forwardStats(): Promise<TestpmdStats[]> {
    return parseForwardStats(await this.command('show fwd stats all'));
  }

  /** What the drivers of the ports count since they were started, a row for each port. */
  async portStats(): Promise<TestpmdStats[]> {
    return parsePortStats(await this.command('show port stats all'));
  }

  /** Resolves when the text is in the output. @throws UsvhostError USV_IO when testpmd ends or it does not come */
  async printed(text: string, from = 0): Promise<void> {
    await this.#until(
      () => this.#output.includes(text, from) || undefined,
      startMillis,
      JSON.stringify(text),
    );
  }

  /** Ends it as a user would, by SIGINT, and waits for that. */
  async stop(): Promise<void> {
    await this.#end('SIGINT');
  }

  /** kill -9 */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#running) this.#process.kill(signal);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopMillis);
    await this.#closed;
    clearTimeout(timer);
    // Its runtime directory; DPDK leaves it behind.
    const runtime = process.getuid?.() === 0 ? '/var/run' : (process.env['XDG_RUNTIME_DIR'] ?? '/tmp');
    rmSync(`${runtime}/dpdk/${this.#prefix}`, { recursive: true, force: true });
  }

  /** Waits for the next prompt and returns what came before it. */
  #prompted(millis: number): Promise<string> {
    return this.#until(
      () => {
        const text = this.#answer.replaceAll(portEvent, '');
        const end = prompt.exec(text)?.index;
        return end === undefined ? undefined : text.slice(0, end);
      },
      millis,
      'its prompt',
    );
  }

  async #until<Value>(look: () => Value | undefined, millis: number, what: string): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const fail = (reason: string): void =>
      reject(usvFailure('USV_IO', `testpmd ${reason} before ${what}:\n${this.#output}`));
    const timer = setTimeout(() => fail(`took ${millis} ms`), millis);
    const check = (): void => {
      const found = look();
      if (found !== undefined) resolve(found);
      else if (!this.#running) fail('ended');
    };
    this.#onOutput = check;
    check();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#onOutput = () => undefined;
    }
  }
}
