// SPDX-License-Identifier: Apache-2.0
//
// `usvhost dataplane`: reads the configuration, then runs ports and an engine until told to stop. Nothing is loaded
// before the command is chosen, so that --help needs no compiler.

import type { Command } from 'commander';
import { parseCpus } from '../cpus.ts';
import { stopSignal } from '../stop-signal.ts';

const examples = `
Ports are device arguments, as DPDK writes them or as the RFC of 2015 did. A directory as path means vhost.sock in it:
  net_virtio_user0,path=/var/run/usvhost/net1,queue_size=256
  eth_cvio0,queue_num=256,rx=1,tx=1,cq=0,path=/var/run/usvhost

Examples:
  usvhost dataplane --port net_virtio_user0,path=/var/run/usvhost/net1
                      feeds the tap device net1 of the pod (engine tap, name from port.json)
  usvhost dataplane --port … --engine l2fwd
                      sends every frame back with its addresses swapped
  usvhost dataplane --port net_virtio_user0,path=/var/run/usvhost/net1,queues=4 --cpus 2,3
                      four queue pairs, served by two threads on CPUs 2 and 3
  usvhost dataplane --port A… --port B… --engine l2fwd --rewrite --mac 02:… --peer-mac 02:…
                      forwards between two ports and rewrites the addresses
  usvhost dataplane --port … --engine txonly --size 64 --seconds 3 --peer-mac 02:00:00:00:00:02
  usvhost dataplane --port … --engine responder --ip 10.0.0.2 --mac 02:00:00:00:00:02
  usvhost dataplane --port … --engine ping --ip 10.0.0.1 --target 10.0.0.2
  usvhost dataplane --port … --port … --engine handler --handler /app/filter.ts
                      has a TypeScript function decide on every frame between two ports

Reports are lines of JSON on standard output, one at the end and one each --report-millis. The driver connects by itself,
again and again. SIGTERM and SIGINT stop it. Every field can also be set in the environment, for example
USVHOST_DATAPLANE_ENGINE=l2fwd.`;

function parseNumber(text: string): number {
  return /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
}

/** Anything else is left as it is, and refused with its field's name. */
function parseBoolean(text: string): boolean | string {
  return text === 'true' || (text === 'false' ? false : text);
}

function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

interface Flags extends Readonly<Record<string, unknown>> {
  readonly config?: string;
}

export function register(program: Command): void {
  program
    .command('dataplane')
    .description('run the pod side of one or two ports: a virtio-user driver and an engine')
    .option('--port <devargs>', 'a port; at most twice', collect)
    .option('--engine <name>', 'l2fwd, txonly, rxonly, responder, ping, tap or handler (default: tap)')
    .option('--mac <mac>', 'our address')
    .option('--peer-mac <mac>', 'destination of txonly, new destination of l2fwd --rewrite')
    .option('--rewrite', 'l2fwd: rewrite the addresses instead of swapping them')
    .option('--ip <address>', 'responder, ping: our IPv4 address')
    .option('--target <address>', 'ping: the IPv4 address to ping')
    .option('--count <n>', 'ping: how many requests (default: 10)', parseNumber)
    .option('--interval-millis <n>', 'ping: milliseconds between requests', parseNumber)
    .option('--size <bytes>', 'txonly: frame size (default: 64)', parseNumber)
    .option('--limit <n>', 'txonly: frames to send', parseNumber)
    .option('--seconds <n>', 'txonly: seconds to send', parseNumber)
    .option('--verify', 'txonly, rxonly: compare every byte of what comes in')
    .option('--tap <name>', 'tap: name of the device')
    .option(
      '--offloads <boolean>',
      'tap: leave sums and TCP segments to the back-end (default: true)',
      parseBoolean,
    )
    .option('--handler <file>', 'handler: the module that decides on frames, see docs/packets.md')
    .option(
      '--handler-millis <n>',
      'handler: milliseconds in which it must decide (default: 5000)',
      parseNumber,
    )
    .option('--memory <kind>', 'memfd, shm[:DIR], hugetlbfs:DIR or file:PATH (default: memfd)')
    .option(
      '--cpus <list>',
      'CPUs of the data threads, one thread each (default: an unpinned thread for each queue pair)',
      parseCpus,
    )
    .option('--report-millis <n>', 'milliseconds between reports', parseNumber)
    .option('--ready-socket <name>', 'socket, a path or @name, that answers when all links are up')
    .option('--config <file>', 'JSON file with the fields of the configuration')
    .addHelpText('after', examples)
    .action(run);
}

async function run({ config: file, ...flags }: Flags): Promise<void> {
  const [{ loadConfig }, { dataplaneConfigSchema }, { createLogger }, { runDataplane }] = await Promise.all([
    import('../../lib/config/load.ts'),
    import('../../lib/config/dataplane.ts'),
    import('../../lib/log.ts'),
    import('../../dataplane/daemon.ts'),
  ]);
  const config = loadConfig(dataplaneConfigSchema, { role: 'dataplane', file, env: process.env, flags });
  const onReport = (report: object): void => {
    process.stdout.write(`${JSON.stringify(report)}\n`);
  };
  // Node offers it by --expose-gc, which the launcher and the image give: a sidecar in every pod is to be small, and V8 alone keeps its
  // young generation as large as the start had made it.
  const settle = (): void => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const deps = { log: createLogger('dataplane'), onReport, settle };
  const engine = await runDataplane(config, deps, stopSignal());
  // As ping(8) does.
  if (config.engine === 'ping' && engine['received'] !== config.count) process.exitCode = 1;
}
