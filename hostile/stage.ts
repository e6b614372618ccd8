// SPDX-License-Identifier: Apache-2.0
//
// What the cases are played on: the real `usvhost switch` as a process, a canary pair, the attacker's port and a neighbour's.
// It also looks: at the log of the switch, its control API and /proc.

import { usvhostCommand } from '../cli/demo/node.ts';
import { Child } from '../cli/demo/process.ts';
import { hostPaths } from '../lib/names.ts';
import { unary } from '../proto/call.ts';
import type { ListPortsResponse__Output } from '../proto/gen/usvhost/switch/v1/ListPortsResponse.ts';
import type { Port__Output } from '../proto/gen/usvhost/switch/v1/Port.ts';
import { Switch } from '../proto/load.ts';
import { dial } from '../proto/unix.ts';
import { eventually } from '../test/support/eventually.ts';
import { privateDirectory } from '../test/support/private-directory.ts';
import { drops } from '../test/support/running.ts';
import { Canary } from './canary.ts';
import { attackerMac, canaryMacs, neighbourMac } from './front-end.ts';
import { anonymousKib, holdingsOf } from './holdings.ts';
import {
  attackerPort,
  type CanaryState,
  canaryPorts,
  type Holdings,
  neighbourPort,
  type Told,
} from './observation.ts';
import type { Sockets } from './player.ts';
import { PortLog } from './port-log.ts';
import type { Sanitizer } from './sanitizer.ts';

/** How long a peer may take for a message: short, so that slow ones do not slow the whole run down. */
const handshakeMillis = 1000;
/** What is given back late is given back: a look after this time is the last one. */
const settleMillis = 2000;

/**
 * Left alone, the heap of a Node process that serves calls grows by 80 MiB before it stands still, in which a leak would not be
 * seen. A small one is collected early.
 */
const smallHeap = '--max-semi-space-size=1 --max-old-space-size=64';

type Undo = () => void | Promise<void>;

export class Stage {
  readonly sockets: Sockets;
  readonly #switch: Child;
  readonly #client: InstanceType<typeof Switch>;
  readonly #canary: Canary;
  readonly #undo: Undo[];
  readonly #log: PortLog;

  private constructor(parts: {
    readonly child: Child;
    readonly client: InstanceType<typeof Switch>;
    readonly canary: Canary;
    readonly log: PortLog;
    readonly sockets: Sockets;
    readonly undo: Undo[];
  }) {
    this.#switch = parts.child;
    this.#client = parts.client;
    this.#canary = parts.canary;
    this.#log = parts.log;
    this.#undo = parts.undo;
    this.sockets = parts.sockets;
  }

  /**
   * With a sanitizer the switch runs under it.
   * @throws UsvhostError of whatever could not be started; everything is undone by then.
   */
  static async set(sanitizer?: Sanitizer): Promise<Stage> {
    const undo: Undo[] = [];
    try {
      const directory = privateDirectory();
      undo.push(() => directory.remove());
      const paths = hostPaths(directory.path);
      const log = new PortLog();
      const child = new Child('usvhost switch', usvhostCommand('switch', '--root', directory.path), {
        env: {
          USVHOST_SWITCH_HANDSHAKE_MILLIS: String(handshakeMillis),
          USVHOST_LOG: 'info',
          NODE_OPTIONS: [smallHeap, sanitizer?.nodeOption ?? ''].join(' ').trimEnd(),
          ...sanitizer?.env,
        },
        onErrorLine: (line) => {
          sanitizer?.report.take(line);
          log.take(line);
        },
      });
      undo.push(async () => void (await child.stop()));
      await child.whileRunning(log.listening());
      sanitizer?.check(child.pid);
      const client = dial(Switch, paths.switchSocket);
      undo.push(() => client.close());
      const add = (name: string, mac: string): Promise<string> => addPort(client, name, mac);
      const canarySockets = [
        await add(canaryPorts[0], canaryMacs[0]),
        await add(canaryPorts[1], canaryMacs[1]),
      ] as const;
      const sockets = {
        attacker: await add(attackerPort, attackerMac),
        neighbour: await add(neighbourPort, neighbourMac),
      };
      const canary = new Canary(canarySockets);
      undo.push(() => canary.close());
      const stage = new Stage({ child, client, canary, log, sockets, undo });
      // It sings before the first attack, so that every attack falls into its song.
      await eventually(
        () => canary.song.received,
        (received) => received > 0,
        'a canary that sings',
      );
      return stage;
    } catch (error) {
      await undoAll(undo);
      throw error;
    }
  }

  get pid(): number {
    return this.#switch.pid;
  }

  get running(): boolean {
    return this.#switch.running;
  }

  /** Whether the switch is gone, or goes within two seconds: its sockets close before its process is told to have ended. */
  async hasEnded(): Promise<boolean> {
    const gone = eventually(
      () => this.running,
      (runs) => !runs,
      'the end of the switch',
      { millis: settleMillis },
    );
    return gone.then(
      () => true,
      () => false,
    );
  }

  /** Rejects when the switch ends before the promise is settled. */
  whileRunning<Value>(promise: Promise<Value>): Promise<Value> {
    return this.#switch.whileRunning(promise);
  }

  async #ports(): Promise<ReadonlyMap<string, Port__Output>> {
    const { ports } = await unary<ListPortsResponse__Output>(
      (done) => this.#client.ListPorts({}, done),
      peer,
    );
    return new Map(ports.map((port) => [port.spec?.name ?? '', port]));
  }

  /** Waits until neither the attacker nor the neighbour is connected, and returns what the switch has told since the last call. */
  async quiet(): Promise<Told> {
    let lastError = '';
    for (const name of [attackerPort, neighbourPort]) {
      await eventually(
        async () => (await this.#ports()).get(name),
        (port) => {
          if (name === attackerPort) lastError = port?.last_error ?? '';
          return port?.state === 'listening';
        },
        `port ${name} without a connection`,
      );
    }
    // Events are told in order: what has happened before this port came is told once the port is.
    await addPort(this.#client, markerPort, '');
    await this.#log.told(markerPort);
    await this.#remove(markerPort);
    return { lines: this.#log.takeAll().filter(({ port }) => port !== markerPort), lastError };
  }

  /** The attacker's port made anew: nothing of a former case stands in it. */
  async freshPort(): Promise<void> {
    await this.#remove(attackerPort);
    await addPort(this.#client, attackerPort, attackerMac);
  }

  async #remove(name: string): Promise<void> {
    await unary((done) => this.#client.RemovePort({ name }, done), peer);
  }

  /** What the switch holds: as soon as it holds no more than `wanted`, or what is left after two seconds. */
  async holdings(wanted?: Holdings): Promise<Holdings> {
    const end = performance.now() + settleMillis;
    const more = (found: Holdings): boolean =>
      wanted !== undefined &&
      (found.descriptors > wanted.descriptors ||
        found.mappings > wanted.mappings ||
        found.threads > wanted.threads);
    let found = holdingsOf(this.pid);
    while (more(found) && performance.now() < end) {
      await this.#ports(); // a round trip through the switch
      found = holdingsOf(this.pid);
    }
    return found;
  }

  memoryKib(): number {
    return anonymousKib(this.pid);
  }

  /** The canary's account once nothing of it is under way. `since`: it has sung since then. */
  async canary(since?: CanaryState): Promise<CanaryState> {
    const silentUntil = since?.received ?? 0;
    const song = await eventually(
      () => this.#canary.song,
      ({ sent, received }) =>
        sent - received === (since === undefined ? 0 : since.sent - since.received) && received > silentUntil,
      'a whole song of the canary',
      // On a machine that is busy with other things an answer takes its time, and is none the less an answer.
      { millis: 10_000, stepMillis: 1 },
    ).catch(() => this.#canary.song);
    const ports = await this.#ports();
    let lost = 0;
    let connections = 0;
    for (const name of canaryPorts) {
      const port = ports.get(name);
      const counters = Object.fromEntries(
        Object.entries(port?.counters ?? {}).map(([counter, value]) => [counter, Number(value)]),
      );
      lost += Object.values(drops(counters)).reduce((sum, value) => sum + value, 0);
      connections += Number(port?.connections);
    }
    return { ...song, drops: lost, connections };
  }

  async clear(): Promise<void> {
    await undoAll(this.#undo);
  }
}

/** Only there to be told of. */
const markerPort = 'marker';

const peer = { peer: 'the switch under attack', unreachable: 'USV_SWITCH_UNREACHABLE' } as const;

/** Makes a port and returns its socket. */
async function addPort(client: InstanceType<typeof Switch>, name: string, mac: string): Promise<string> {
  const port = await unary<Port__Output>((done) => client.AddPort({ name, mac }, done), peer);
  return port.socket_path;
}

async function undoAll(steps: Undo[]): Promise<void> {
  for (const step of steps.splice(0).reverse()) await step();
}
