// SPDX-License-Identifier: Apache-2.0
//
// Open vSwitch with DPDK as the switch of a node. Ports are rows of its database with our mark; a port of anybody else is
// never touched. A call is done when ovs-vswitchd has done it, not when the row is written.

import type { SwitchPort, WantedPort } from '../../cni/call.ts';
import { ovsAbilities, type PortAbilities } from '../../cni/port-options.ts';
import { type UsvhostError, usvError, usvFailure } from '../../lib/errors.ts';
import type { NodeSwitch, PortCounters, PresenceListener } from '../node-switch.ts';
import { type BridgeOptions, checkBridge, requireBridge } from './bridge.ts';
import { countersOf, deletePorts, failureOf, insertPort, marksOf, portOf, specOf } from './port-rows.ts';
import { Session } from './session.ts';
import { number, type Row, references, text, uuid, where } from './values.ts';
import { requireVswitchd } from './vswitchd.ts';

export interface OvsSwitchOptions extends BridgeOptions {
  /** Unix socket of ovsdb-server. */
  readonly database: string;
  /** Where the pod of a port listens, as ovs-vswitchd sees it. */
  readonly socketPath: (port: string) => string;
  /** Longest wait for an answer of ovsdb-server. Default 5000. */
  readonly deadlineMillis?: number;
  /** Longest wait for ovs-vswitchd to take over a change. Default 20000. */
  readonly configMillis?: number;
  /** Between two looks whether ovs-vswitchd runs. Default 1000. */
  readonly probeMillis?: number;
}

export class OvsSwitch implements NodeSwitch {
  readonly abilities: PortAbilities = ovsAbilities;
  readonly #options: OvsSwitchOptions;
  #session: Promise<Session> | undefined;
  #watcher: Watcher | undefined;
  #closed = false;

  constructor(options: OvsSwitchOptions) {
    this.#options = options;
  }

  /** Throws also USV_OVS: no bridge, or the words of ovs-vswitchd when it cannot make the port. */
  async addPort(wanted: WantedPort): Promise<void> {
    if (wanted.podRole !== 'server') {
      // Of a record that was made with another switch.
      const what = `podRole of the port ${wanted.name} on the switch ovs`;
      throw usvError('USV_CNI_FIELD', { what, expected: 'server', got: wanted.podRole });
    }
    const session = await this.#ready();
    const bridge = await requireBridge(session, this.#options);
    const { name } = wanted;
    const [known] = await session.select('Port', where('name', name));
    if (known === undefined) {
      const { owner, socketPath } = this.#options;
      await this.#change(session, insertPort(wanted, { owner, bridge, socketPath: socketPath(name) }));
    } else {
      this.#checkSame(known, wanted);
      await this.#change(session, []);
    }
    await this.#requireMade(session, name);
  }

  async removePort(name: string): Promise<boolean> {
    const session = await this.#open();
    const port = await this.#own(session, name);
    const id = references(port?.['_uuid'])[0];
    if (port === undefined || id === undefined) return false;
    const holders = await session.select('Bridge', [['ports', 'includes', uuid(id)]]);
    const bridges = holders.flatMap((row) => references(row['_uuid']));
    // An ovs-vswitchd that does not run has no port, and will not make one that is not in the database.
    const waits = await session.vswitchdRuns();
    await this.#change(session, deletePorts(bridges, id, references(port['qos'])), waits);
    return true;
  }

  async findPort(name: string): Promise<SwitchPort | undefined> {
    const session = await this.#ready();
    const port = await this.#own(session, name);
    const [face] = await session.select('Interface', where('name', name));
    return port === undefined || face === undefined ? undefined : portOf(face, port);
  }

  async portNames(): Promise<string[]> {
    return [...(await this.#open()).ports.keys()];
  }

  /** Open vSwitch brings them up to date every 5 s. */
  async counters(): Promise<ReadonlyMap<string, PortCounters>> {
    const session = await this.#open();
    const ours = new Set(session.ports.keys());
    const faces = await session.select('Interface');
    const named = faces.map((face) => [text(face['name']), countersOf(face)] as const);
    return new Map(named.filter(([name]) => ours.has(name)));
  }

  async ping(): Promise<void> {
    await checkBridge(await this.#ready(), this.#options);
  }

  /** Says `lost` when the database hangs up, and when ovs-vswitchd does not run. */
  watch(listener: PresenceListener): { cancel(): void } {
    const watcher = new Watcher(listener, {
      ready: () => this.#ready(),
      probeMillis: this.#options.probeMillis ?? 1000,
    });
    this.#watcher = watcher;
    return watcher;
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.cancel();
    // Whoever opens one at this moment closes it.
    this.#session?.then(
      (session) => session.close(),
      () => undefined,
    );
  }

  /** A session in which ovs-vswitchd with DPDK was seen. Throws USV_SWITCH_UNREACHABLE, USV_OVS. */
  async #ready(): Promise<Session> {
    const session = await this.#open();
    await requireVswitchd(session, this.#options.database);
    return session;
  }

  #open(): Promise<Session> {
    if (this.#closed) return Promise.reject(usvFailure('USV_SWITCH_UNREACHABLE', 'the agent stops'));
    this.#session ??= this.#begin();
    return this.#session;
  }

  async #begin(): Promise<Session> {
    const { database: path, owner, deadlineMillis } = this.#options;
    const forget = (): void => {
      this.#session = undefined;
    };
    try {
      const session = await Session.open({
        path,
        owner,
        ...(deadlineMillis === undefined ? {} : { deadlineMillis }),
        onPort: (name, state) => this.#watcher?.port(name, state),
        onClose: (reason) => {
          forget();
          this.#watcher?.closed(reason);
        },
      });
      if (this.#closed) session.close();
      return session;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** A transaction with a new configuration number; resolves when ovs-vswitchd has taken it over, if that is to be awaited. */
  async #change(session: Session, operations: readonly Row[], waits = true): Promise<void> {
    const results = await session.transact([
      ...operations,
      { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] },
      { op: 'select', table: 'Open_vSwitch', where: [], columns: ['next_cfg'] },
    ]);
    const rows = results[operations.length + 1]?.['rows'];
    const serial = number((Array.isArray(rows) ? (rows as Row[]) : [])[0]?.['next_cfg']);
    if (serial === undefined) throw usvFailure('USV_OVS', 'the database has no row in Open_vSwitch');
    if (waits) await session.untilConfigured(serial, this.#options.configMillis ?? 20_000);
  }

  async #own(session: Session, name: string): Promise<Row | undefined> {
    const [port] = await session.select('Port', where('name', name));
    return port !== undefined && marksOf(port).owner === this.#options.owner ? port : undefined;
  }

  #checkSame(known: Row, wanted: WantedPort): void {
    const { owner, spec } = marksOf(known);
    const what = `the port ${wanted.name} of Open vSwitch`;
    if (owner !== this.#options.owner)
      throw usvError('USV_PORT_OCCUPIED', { what, expected: 'none', got: 'a port of somebody else' });
    if (spec !== specOf(wanted))
      throw usvError('USV_PORT_OCCUPIED', {
        what,
        expected: specOf(wanted),
        got: spec ?? 'a port without its mark',
      });
  }

  async #requireMade(session: Session, name: string): Promise<void> {
    const [face] = await session.select('Interface', where('name', name));
    const failure = face === undefined ? 'its row is gone' : failureOf(face);
    if (failure === undefined) return;
    throw usvFailure('USV_OVS', `ovs-vswitchd cannot make the port ${name}: ${failure}`);
  }
}

interface WatcherOptions {
  readonly ready: () => Promise<Session>;
  readonly probeMillis: number;
}

/** One watch: from the first look until the switch is lost. */
class Watcher {
  readonly #listener: PresenceListener;
  readonly #options: WatcherOptions;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(listener: PresenceListener, options: WatcherOptions) {
    this.#listener = listener;
    this.#options = options;
    void this.#look();
  }

  cancel(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  port(name: string, state: string | undefined): void {
    if (this.#session === undefined || this.#over) return;
    this.#listener.changed(name, state);
    // Perhaps taken away by somebody who should not.
    if (state === undefined) this.#listener.present(this.#session.ports);
  }

  closed(reason: UsvhostError): void {
    if (this.#session !== undefined) this.#lose(reason);
  }

  async #look(): Promise<void> {
    try {
      const session = await this.#options.ready();
      if (this.#over) return;
      const first = this.#session === undefined;
      this.#session = session;
      if (first) this.#listener.present(session.ports);
      this.#timer = setTimeout(() => void this.#look(), this.#options.probeMillis);
    } catch (error) {
      this.#lose(error);
    }
  }

  #lose(reason: unknown): void {
    if (this.#over) return;
    this.cancel();
    this.#listener.lost(reason);
  }
}
