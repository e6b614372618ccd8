// SPDX-License-Identifier: Apache-2.0
//
// A network namespace in which one side of a connection lives.

import { Child, run } from '../../cli/demo/process.ts';

export class Namespace {
  readonly #holder: Child;

  private constructor(holder: Child) {
    this.#holder = holder;
  }

  static async make(undo: (step: () => void | Promise<void>) => void): Promise<Namespace> {
    const ready = Promise.withResolvers<void>();
    const argv = ['unshare', '--net', 'sh', '-c', 'ip link set lo up; echo; exec sleep infinity'];
    const holder = new Child('a network namespace', argv, { onLine: () => ready.resolve() });
    undo(async () => void (await holder.stop('SIGKILL')));
    await holder.whileRunning(ready.promise);
    return new Namespace(holder);
  }

  /** As `ip link set … netns` takes it. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** The command line that runs a command in it. */
  enter(...argv: readonly string[]): string[] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`, '--', ...argv];
  }

  /** @throws UsvhostError USV_IO with what it said */
  async run(...argv: readonly string[]): Promise<string> {
    return run(this.enter(...argv));
  }

  /** Gives an interface that is there an address, and waits for nothing: who answers first is the other side's matter. */
  async address(device: string, address: string): Promise<void> {
    await this.run('ip', 'address', 'add', `${address}/24`, 'dev', device);
    await this.run('ip', 'link', 'set', device, 'up');
  }
}
