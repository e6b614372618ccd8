// SPDX-License-Identifier: Apache-2.0
//
// A real Linux guest under QEMU whose one interface, where it has any, is virtio-net with a vhost-user back-end. Everything is emulated, so no
// right is needed. Commands go over its second serial port; readiness and every answer are read from there.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { usvFailure } from '../../../lib/errors.ts';
import { findGuestKernel } from '../../../scripts/guest-kernel.ts';
import { guestInitramfs } from './initramfs.ts';

/** Of virtio-net. */
export interface GuestInterface {
  readonly socketPath: string;
  /** QEMU listens and the back-end connects. Default: QEMU connects, again and again. */
  readonly server?: boolean;
  readonly mac: string;
  /** Further properties of virtio-net-pci as written, `packed=on`. */
  readonly properties?: readonly string[];
  /** Queue pairs. Default 1. */
  readonly queues?: number;
}

export interface GuestOptions {
  /** Takes the initramfs and the console's log. */
  readonly directory: string;
  /** Default: none. */
  readonly network?: GuestInterface;
  /** Default 1. */
  readonly cpus?: number;
  /** One NUMA node for each CPU. Default: one for all. */
  readonly numa?: boolean;
  /** Files of this machine that it has in its root directory. */
  readonly programs?: readonly string[];
}

/** Of each NUMA node. */
const megabytes = 256;
/** Emulated, beside other tests. */
const bootMillis = 120_000;
const answerMillis = 60_000;
const stopMillis = 10_000;

function networkArguments(network: GuestInterface): string[] {
  const { socketPath, server = false, mac, properties = [], queues = 1 } = network;
  const socket = server ? 'server=on' : 'reconnect=1';
  // With vectors QEMU 7.2 dies when the driver of a guest is bound to a vhost-user interface a second time.
  const device = ['virtio-net-pci', 'netdev=net', `mac=${mac}`, 'romfile=', 'vectors=0', ...properties];
  const pairs = queues === 1 ? '' : `,queues=${queues}`;
  if (queues > 1) device.push('mq=on');
  return [
    ...['-chardev', `socket,id=back-end,path=${socketPath},${socket}`],
    ...['-netdev', `vhost-user,id=net,chardev=back-end${pairs}`, '-device', device.join(',')],
  ];
}

/** Shared memory, which a back-end can map. */
function memoryArguments(cpus: number, numa: boolean): string[] {
  const memory = (name: string): string[] => [
    '-object',
    `memory-backend-memfd,id=${name},size=${megabytes}M,share=on`,
  ];
  if (!numa) return [...memory('ram'), '-m', String(megabytes), '-machine', 'q35,memory-backend=ram'];
  const nodes = Array.from({ length: cpus }, (_, node) => [
    ...memory(`ram${node}`),
    ...['-numa', `node,nodeid=${node},cpus=${node},memdev=ram${node}`],
  ]);
  return ['-machine', 'q35', '-m', String(cpus * megabytes), ...nodes.flat()];
}

function qemuArguments(options: GuestOptions, kernel: string, initramfs: string, log: string): string[] {
  const { network, cpus = 1, numa = false } = options;
  return [
    ...['-accel', 'tcg', '-cpu', 'max', '-smp', String(cpus)],
    ...memoryArguments(cpus, numa),
    ...['-display', 'none', '-nodefaults'],
    ...['-kernel', kernel, '-initrd', initramfs, '-append', 'console=ttyS0 panic=-1'],
    ...['-serial', `file:${log}`, '-serial', 'stdio'],
    ...(network === undefined ? [] : networkArguments(network)),
  ];
}

export class Guest {
  readonly #process: ChildProcess;
  readonly #log: string;
  readonly #closed: Promise<unknown>;
  #serial = 0;
  /** From the second serial port since the last command. */
  #answer = '';
  #errors = '';
  #onOutput: () => void = () => undefined;

  private constructor(process: ChildProcess, log: string) {
    this.#process = process;
    this.#log = log;
    this.#closed = once(process, 'close').catch((cause: unknown) => {
      this.#errors += String(cause);
    });
    process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#answer += text;
      this.#onOutput();
    });
    process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    // Whoever waits finds out by the end of the process.
    process.stdin?.on('error', () => undefined);
    void this.#closed.then(() => this.#onOutput());
  }

  /**
   * Resolves when the guest has its interface, where it is given one, and takes commands.
   * @throws UsvhostError USV_PEER_MISSING; USV_IO with the guest's console when it ends or is not ready in time
   */
  static async boot(options: GuestOptions): Promise<Guest> {
    const kernel = findGuestKernel();
    if (kernel === undefined) throw usvFailure('USV_PEER_MISSING', 'a kernel for guests');
    const initramfs = join(options.directory, 'initramfs');
    if (!existsSync(initramfs))
      writeFileSync(initramfs, await guestInitramfs(kernel, options.programs ?? []));
    const log = join(options.directory, 'console');
    const args = qemuArguments(options, kernel.image, initramfs, log);
    const guest = new Guest(spawn('qemu-system-x86_64', args, { stdio: ['pipe', 'pipe', 'pipe'] }), log);
    try {
      await guest.#done(0, bootMillis);
      return guest;
    } catch (error) {
      await guest.kill();
      throw error;
    }
  }

  get #running(): boolean {
    return (
      this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
    );
  }

  /** Runs one line of shell and returns its output. @throws UsvhostError USV_IO when it fails, or the guest does */
  async run(command: string, { millis = answerMillis }: { readonly millis?: number } = {}): Promise<string> {
    this.#answer = '';
    const number = ++this.#serial;
    this.#process.stdin?.write(`${number} ${command}\n`);
    const { status, output } = await this.#done(number, millis);
    if (status !== 0)
      throw this.#failed(`ended ${JSON.stringify(command)} with status ${status}:\n${output}`);
    return output;
  }

  /** Boots again, and resolves when commands are taken. */
  async reboot(): Promise<void> {
    this.#answer = '';
    this.#process.stdin?.write(`${++this.#serial} reboot -f\n`);
    await this.#done(0, bootMillis);
  }

  /** Ends it as its user would, and waits for that. */
  async shutDown(): Promise<void> {
    if (this.#running) this.#process.stdin?.write(`${++this.#serial} poweroff -f\n`);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopMillis);
    await this.#closed;
    clearTimeout(timer);
  }

  /** kill -9 of QEMU. */
  async kill(): Promise<void> {
    if (this.#running) this.#process.kill('SIGKILL');
    await this.#closed;
  }

  async #done(number: number, millis: number): Promise<{ status: number; output: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; output: string }>();
    const fail = (reason: string): void => reject(this.#failed(reason));
    const timer = setTimeout(() => fail(`took ${millis} ms`), millis);
    const mark = new RegExp(`(?:^|\\n)done ${number} (\\d+)\\n`);
    this.#onOutput = () => {
      const found = mark.exec(this.#answer);
      if (found !== null) {
        resolve({ status: Number(found[1]), output: this.#answer.slice(0, found.index) });
      } else if (!this.#running) fail('ended');
    };
    this.#onOutput();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#onOutput = () => undefined;
    }
  }

  #failed(what: string) {
    const console = existsSync(this.#log) ? readFileSync(this.#log, 'utf8').slice(-3000) : '';
    return usvFailure('USV_IO', `the guest ${what}\n${this.#answer}\n${this.#errors}\n${console}`);
  }
}
