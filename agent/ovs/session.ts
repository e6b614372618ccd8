// SPDX-License-Identifier: Apache-2.0
//
// One session with the database Open_vSwitch: its schema is checked, transactions are made, and two things are watched
// for as long as it lasts: which ports there are, and which configuration ovs-vswitchd has taken over.

import { type UsvhostError, usvError, usvFailure } from '../../lib/errors.ts';
import { OvsdbConnection, shown } from './connection.ts';
import { ownerKey, stateOf } from './port-rows.ts';
import { checkSchema, databaseName } from './schema.ts';
import { entries, number, type Row, text } from './values.ts';

export interface SessionOptions {
  readonly path: string;
  /** Ports with this mark are ours. */
  readonly owner: string;
  /** Longest wait for an answer of ovsdb-server. Default 5000. */
  readonly deadlineMillis?: number;
  /** Called when one of our ports has come, changed its state, or, without a state, gone. */
  readonly onPort?: (name: string, state: string | undefined) => void;
  /** Called once, however the session ends. */
  readonly onClose?: (reason: UsvhostError) => void;
}

/** ovs-vswitchd holds it for as long as it runs, so that there is only one. */
const vswitchdLock = 'ovs_vswitchd';
const monitorId = 'usvhost';

export class Session {
  readonly #options: SessionOptions;
  #connection: OvsdbConnection | undefined;
  /** Our ports by the row of their interface. */
  readonly #ports = new Map<string, { readonly name: string; readonly state: string }>();
  #configured = -1;
  readonly #waiters = new Set<() => void>();

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Throws USV_SWITCH_UNREACHABLE, USV_OVS. */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    const connection = await OvsdbConnection.open({
      path: options.path,
      ...(options.deadlineMillis === undefined ? {} : { deadlineMillis: options.deadlineMillis }),
      onNotification: (method, params) => {
        if (method === 'update' && params[0] === monitorId) session.#update(params[1]);
      },
      onClose: (reason) => {
        session.#wake();
        options.onClose?.(reason);
      },
    });
    session.#connection = connection;
    try {
      checkSchema(await connection.request('get_schema', [databaseName]), options.path);
      const watched = {
        Open_vSwitch: [{ columns: ['cur_cfg'] }],
        Interface: [{ columns: ['name', 'external_ids', 'status'] }],
      };
      session.#update(await connection.request('monitor', [databaseName, monitorId, watched]));
      return session;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get open(): boolean {
    return this.#connection?.open === true;
  }

  /** States of our ports by name. */
  get ports(): Map<string, string> {
    return new Map([...this.#ports.values()].map(({ name, state }) => [name, state]));
  }

  close(): void {
    this.#connection?.close();
  }

  /** The results of the operations. Throws USV_OVS when one was refused; then none was done. */
  async transact(operations: readonly Row[]): Promise<Row[]> {
    const answer = await this.#request('transact', [databaseName, ...operations]);
    const results: unknown[] = Array.isArray(answer) ? answer : [];
    const refused = results.find(
      (result) => typeof result === 'object' && result !== null && 'error' in result,
    );
    if (refused === undefined && results.length >= operations.length)
      return results.map((result) => ({ ...(result as object) }));
    throw usvError('USV_OVS', {
      what: `a transaction in ${databaseName} at ${this.#options.path}`,
      expected: 'no error',
      got: shown(refused ?? answer),
    });
  }

  /** Rows of one table. */
  async select(table: string, where: readonly unknown[] = []): Promise<Row[]> {
    const [result] = await this.transact([{ op: 'select', table, where }]);
    const rows = result?.['rows'];
    return Array.isArray(rows) ? rows.map((row) => ({ ...(row as object) })) : [];
  }

  /**
   * Whether ovs-vswitchd runs: whoever gets its lock finds that it does not. Lock and unlock go out together, so that the
   * server has both, and an ovs-vswitchd that starts never waits for us.
   */
  async vswitchdRuns(): Promise<boolean> {
    const params = [vswitchdLock];
    const [lock] = (await this.#connection?.requests([
      { method: 'lock', params },
      { method: 'unlock', params },
    ])) ?? [undefined];
    return typeof lock === 'object' && lock !== null && Reflect.get(lock, 'locked') === false;
  }

  /** Resolves when ovs-vswitchd has taken over the configuration of this number. Throws USV_SWITCH_UNREACHABLE. */
  async untilConfigured(serial: number, millis: number): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, millis);
    try {
      while (this.#configured < serial) {
        if (late || !this.open) {
          const reason = late
            ? `has not taken over the change within ${millis} ms`
            : 'cannot be watched any more';
          throw usvFailure('USV_SWITCH_UNREACHABLE', `ovs-vswitchd ${reason}`);
        }
        await new Promise<void>((resolve) => this.#waiters.add(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #request(method: string, params: readonly unknown[]): Promise<unknown> {
    if (this.#connection !== undefined) return this.#connection.request(method, params);
    return Promise.reject(usvFailure('USV_INTERNAL', 'a session without a connection'));
  }

  /** Takes the first state or a change (RFC 7047, 4.1.6). */
  #update(tables: unknown): void {
    for (const [, change] of rowsOf(tables, 'Open_vSwitch')) {
      this.#configured = number(change?.['cur_cfg']) ?? this.#configured;
    }
    for (const [id, face] of rowsOf(tables, 'Interface')) this.#see(id, face);
    this.#wake();
  }

  #see(id: string, face: Row | undefined): void {
    const before = this.#ports.get(id);
    const ours = entries(face?.['external_ids'])[ownerKey] === this.#options.owner;
    if (face === undefined || !ours) {
      if (before === undefined) return;
      this.#ports.delete(id);
      this.#options.onPort?.(before.name, undefined);
      return;
    }
    const now = { name: text(face['name']), state: stateOf(face) };
    this.#ports.set(id, now);
    if (now.state !== before?.state) this.#options.onPort?.(now.name, now.state);
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }
}

/** Rows of a table as they are now, by id; undefined for one that is gone. */
function rowsOf(tables: unknown, table: string): [string, Row | undefined][] {
  const rows: unknown =
    typeof tables === 'object' && tables !== null ? Reflect.get(tables, table) : undefined;
  if (typeof rows !== 'object' || rows === null) return [];
  return Object.entries(rows).map(([id, change]: [string, unknown]) => {
    const now: unknown =
      typeof change === 'object' && change !== null ? Reflect.get(change, 'new') : undefined;
    return [id, typeof now === 'object' && now !== null ? { ...now } : undefined];
  });
}
