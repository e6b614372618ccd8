// SPDX-License-Identifier: Apache-2.0
//
// What a guest talks to: a network namespace whose tap our dataplane joins to a port of the switch, so that a second kernel
// is at the other end.

import { usvhostCommand } from '../../../cli/demo/node.ts';
import { Child, run } from '../../../cli/demo/process.ts';
import { eventually } from '../../support/eventually.ts';

const tap = 'tap0';
const reportMillis = 20;

interface Report {
  readonly ports: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly engine: Readonly<Record<string, number>>;
}

export class FarEnd {
  readonly #holder: Child;
  readonly #dataplane: Child;
  readonly #reports: { last: Report | undefined };

  private constructor(holder: Child, dataplane: Child, reports: { last: Report | undefined }) {
    this.#holder = holder;
    this.#dataplane = dataplane;
    this.#reports = reports;
  }

  /** `address`: with its prefix length. */
  static async start(
    socketPath: string,
    address: string,
    { offloads }: { readonly offloads: boolean },
  ): Promise<FarEnd> {
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
    const setUp = [
      'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6',
      `ip tuntap add dev ${tap} mode tap`,
      `ip address add ${address} dev ${tap}`,
      `ip link set ${tap} up`,
      'ip link set lo up',
      'echo ready',
      'exec sleep 3600',
    ].join(' && ');
    const command = ['unshare', ...user, '--net', '--', 'sh', '-c', setUp];
    const holder = new Child('the network of the far end', command, { onLine: () => resolve() });
    const reports = { last: undefined as Report | undefined };
    try {
      await holder.whileRunning(ready);
      const port = `net_virtio_user0,path=${socketPath}`;
      const options = [
        ...['--port', port, '--engine', 'tap', '--tap', tap],
        ...['--offloads', String(offloads), '--report-millis', String(reportMillis)],
      ];
      const inside = inNetwork(holder, ...usvhostCommand('dataplane', ...options));
      const dataplane = new Child('the dataplane of the far end', inside, {
        onLine: (line) => {
          reports.last = JSON.parse(line) as Report;
        },
      });
      return new FarEnd(holder, dataplane, reports);
    } catch (error) {
      await holder.stop('SIGKILL');
      throw error;
    }
  }

  /** Runs a command there and returns its output. @throws UsvhostError USV_IO when it fails */
  async run(...command: readonly string[]): Promise<string> {
    return run(inNetwork(this.#holder, ...command));
  }

  /** One that goes on until it ends or is stopped. */
  start(command: readonly string[], onLine: (line: string) => void): Child {
    return new Child(command.join(' '), inNetwork(this.#holder, ...command), { onLine });
  }

  /** Resolves when the interface has a carrier. */
  async linkUp(): Promise<void> {
    const up = async (): Promise<boolean> => (await this.run('ip', 'link', 'show', tap)).includes('LOWER_UP');
    await this.#dataplane.whileRunning(eventually(up, Boolean, 'a carrier'));
  }

  /** Address of its interface. */
  async mac(): Promise<string> {
    const [link] = JSON.parse(await this.run('ip', '-json', 'link', 'show', tap)) as [
      { readonly address: string },
    ];
    return link.address;
  }

  /** Frames that left and reached the kernel. */
  async frames(): Promise<{ readonly sent: number; readonly received: number }> {
    const [link] = JSON.parse(await this.run('ip', '-json', '-statistics', 'link', 'show', tap)) as [
      {
        readonly stats64: {
          readonly rx: { readonly packets: number };
          readonly tx: { readonly packets: number };
        };
      },
    ];
    return { sent: link.stats64.tx.packets, received: link.stats64.rx.packets };
  }

  /** What the dataplane has lost, as it said last. */
  get losses(): Readonly<Record<string, number>> {
    const { ports = {}, engine = {} } = this.#reports.last ?? {};
    const lost = Object.values(ports)
      .flatMap((counters) => Object.entries(counters))
      .filter(([name]) => name.includes('_drop_') || name === 'tx_lost');
    const refused = Object.entries(engine).filter(([name]) => name.startsWith('tap_drop'));
    return Object.fromEntries([...lost, ...refused]);
  }

  async close(): Promise<void> {
    await this.#dataplane.stop();
    await this.#holder.stop('SIGKILL');
  }
}

function inNetwork(holder: Child, ...command: readonly string[]): string[] {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  return ['nsenter', '-t', String(holder.pid), ...user, '--net', '--', ...command];
}
