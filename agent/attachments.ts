// SPDX-License-Identifier: Apache-2.0
//
// The agent's durable state: attachments in SQLite at <root>/var/lib/usvhost/agent.db. Ports, mounts and taps die with a
// boot, so records of another boot are dropped at the start, except for the addresses that are to be given back. The open
// database also is the lock of the node: it is held exclusively, and the kernel gives it back however the agent ends.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Attachment, AttachmentKey, AttachmentState, AttachmentStore } from '../cni/attachment.ts';
import type { PortOptions } from '../cni/port-options.ts';
import { usvFailure } from '../lib/errors.ts';

/** Each entry leads from the schema of its index to the next one; SQLite's user_version says where a file is. */
const migrations = [
  `CREATE TABLE attachments (
    container_id TEXT NOT NULL,
    ifname TEXT NOT NULL,
    port TEXT NOT NULL UNIQUE,
    device TEXT NOT NULL,
    network TEXT NOT NULL,
    netns TEXT NOT NULL,
    mac TEXT NOT NULL,
    mtu INTEGER NOT NULL,
    endpoint TEXT NOT NULL CHECK (endpoint IN ('tap', 'socket')),
    state TEXT NOT NULL CHECK (state IN ('adding', 'ready', 'deleting')),
    ipam_config TEXT,
    boot_id TEXT NOT NULL,
    PRIMARY KEY (container_id, ifname),
    UNIQUE (device, ifname)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE buried_ports (port TEXT PRIMARY KEY, boot_id TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE attachments
    ADD COLUMN pod_role TEXT NOT NULL DEFAULT 'client' CHECK (pod_role IN ('client', 'server'));`,
  `ALTER TABLE attachments ADD COLUMN pod_uid TEXT;
  ALTER TABLE attachments ADD COLUMN pod_namespace TEXT;
  ALTER TABLE attachments ADD COLUMN pod_name TEXT;
  ALTER TABLE attachments ADD COLUMN runtime_ifname TEXT;
  UPDATE attachments SET runtime_ifname = ifname;`,
  'ALTER TABLE attachments ADD COLUMN device_info TEXT;',
  'ALTER TABLE attachments ADD COLUMN port_options TEXT;',
];

export interface AttachmentsOptions {
  /** <root>/var/lib/usvhost; made when absent. */
  readonly stateDir: string;
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
}

const putSql = `INSERT INTO attachments (container_id, ifname, port, device, network, netns, mac, mtu, endpoint, state,
    ipam_config, boot_id, pod_role, pod_uid, pod_namespace, pod_name, runtime_ifname, device_info, port_options)
  VALUES (:containerId, :ifname, :port, :device, :network, :netns, :mac, :mtu, :endpoint, :state,
    :ipamConfig, :bootId, :podRole, :podUid, :podNamespace, :podName, :runtimeIfname, :deviceInfo, :portOptions)
  ON CONFLICT (container_id, ifname) DO UPDATE SET port = excluded.port, device = excluded.device,
    network = excluded.network, netns = excluded.netns, mac = excluded.mac, mtu = excluded.mtu,
    endpoint = excluded.endpoint, state = excluded.state, ipam_config = excluded.ipam_config,
    pod_role = excluded.pod_role, pod_uid = excluded.pod_uid, pod_namespace = excluded.pod_namespace, pod_name = excluded.pod_name,
    runtime_ifname = excluded.runtime_ifname, device_info = excluded.device_info, port_options = excluded.port_options`;

type Row = Readonly<Record<string, string | number | bigint | Uint8Array | null>>;

export class Attachments implements AttachmentStore {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #bootId: string;
  readonly #statements = new Map<string, StatementSync>();

  /** Throws USV_RUNNING when another agent has the database, USV_IO when it cannot be used; so does each change later. */
  constructor(options: AttachmentsOptions) {
    const file = join(options.stateDir, 'agent.db');
    this.#file = file;
    this.#bootId = options.bootId;
    try {
      mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
      // SQLite would open it for reading and fail later, without the reason.
      accessSync(options.stateDir, constants.W_OK);
      this.#db = new DatabaseSync(file);
    } catch (cause) {
      throw usvFailure('USV_IO', `cannot open the agent's state ${file}: ${String(cause)}`, { cause });
    }
    try {
      this.#prepare(file);
    } catch (cause) {
      this.#db.close();
      throw cause;
    }
  }

  #prepare(file: string): void {
    try {
      // Exclusive before WAL: then WAL needs no shared memory and the lock stays for as long as the database is open.
      this.#db.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL');
      this.#db.exec('PRAGMA synchronous = NORMAL; BEGIN EXCLUSIVE');
      this.#migrate(file);
      this.#forgetOtherBoots();
      this.#db.exec('COMMIT');
    } catch (cause) {
      const code = errorCodeOf(cause);
      const busy = code === 5 || code === 6; // SQLITE_BUSY, SQLITE_LOCKED
      if (busy) throw usvFailure('USV_RUNNING', `another agent of this root holds ${file}`, { cause });
      throw this.#failure(cause);
    }
  }

  // Namespaces went with their boot: an empty path is that of none.
  #forgetOtherBoots(): void {
    for (const sql of [
      'DELETE FROM attachments WHERE boot_id <> :bootId AND ipam_config IS NULL',
      "UPDATE attachments SET state = 'deleting', netns = '', boot_id = :bootId WHERE boot_id <> :bootId",
      'DELETE FROM buried_ports WHERE boot_id <> :bootId',
    ]) {
      this.#db.prepare(sql).run({ bootId: this.#bootId });
    }
  }

  // A full or broken disk is somebody's to mend, and no fault of ours.
  #failure(cause: unknown): unknown {
    if (errorCodeOf(cause) === undefined) return cause;
    return usvFailure('USV_IO', `cannot use the agent's state ${this.#file}: ${String(cause)}`, { cause });
  }

  #write(act: () => void): void {
    try {
      act();
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  #migrate(file: string): void {
    const version = Number(this.#db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version > migrations.length) {
      this.#db.exec('ROLLBACK');
      const known = `this agent knows ${migrations.length}`;
      throw usvFailure('USV_IO', `${file} has the schema ${version}, ${known}`);
    }
    // Nothing is written without need: on a full disk an agent starts and says what it cannot do.
    if (version === migrations.length) return;
    for (const migration of migrations.slice(version)) this.#db.exec(migration);
    this.#db.exec(`PRAGMA user_version = ${migrations.length}`);
  }

  // Each is compiled once: that takes longer than to run it.
  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  get(key: AttachmentKey): Attachment | undefined {
    const statement = this.#statement('SELECT * FROM attachments WHERE container_id = ? AND ifname = ?');
    return optional(statement.get(key.containerId, key.ifname));
  }

  findByPlace(device: string, ifname: string): Attachment | undefined {
    return optional(
      this.#statement('SELECT * FROM attachments WHERE device = ? AND ifname = ?').get(device, ifname),
    );
  }

  /** Whose port it is. */
  findByPort(port: string): Attachment | undefined {
    return optional(this.#statement('SELECT * FROM attachments WHERE port = ?').get(port));
  }

  put(a: Attachment): void {
    const portOptions = a.portOptions === undefined ? null : JSON.stringify(a.portOptions);
    this.#write(() => {
      this.#statement(putSql).run({ ...a, portOptions, bootId: this.#bootId });
      this.#statement('DELETE FROM buried_ports WHERE port = ?').run(a.port);
    });
  }

  remove(key: AttachmentKey): void {
    const sql = 'DELETE FROM attachments WHERE container_id = ? AND ifname = ?';
    this.#write(() => this.#statement(sql).run(key.containerId, key.ifname));
  }

  list(): Attachment[] {
    return this.#statement('SELECT * FROM attachments ORDER BY container_id, ifname').all().map(toAttachment);
  }

  /** Those whose DEL is under way, was cut, or needs a shim: few, where list() may be long. */
  listDeleting(): Attachment[] {
    const sql = "SELECT * FROM attachments WHERE state = 'deleting' ORDER BY container_id, ifname";
    return this.#statement(sql).all().map(toAttachment);
  }

  buryPort(port: string): void {
    const sql = 'INSERT OR IGNORE INTO buried_ports VALUES (?, ?)';
    this.#write(() => this.#statement(sql).run(port, this.#bootId));
  }

  /** Ports that a DEL could not remove from the switch. */
  buriedPorts(): string[] {
    const rows = this.#statement('SELECT port FROM buried_ports ORDER BY port').all();
    return rows.map((row) => text(row, 'port'));
  }

  forgetBuriedPort(port: string): void {
    this.#write(() => this.#statement('DELETE FROM buried_ports WHERE port = ?').run(port));
  }

  close(): void {
    this.#db.close();
  }
}

// Not by `instanceof Error`: the errors of node:sqlite are of Node's own realm.
function errorCodeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'errcode' in error ? error.errcode : undefined;
}

function text(row: Row, key: string): string {
  return String(row[key]);
}

// The table's CHECK constraint admits these three only.
function stateOf(value: string): AttachmentState {
  return value === 'ready' || value === 'deleting' ? value : 'adding';
}

function textOrNull(row: Row, key: string): string | null {
  const value = row[key];
  return typeof value === 'string' ? value : null;
}

function toAttachment(row: Row): Attachment {
  const options = textOrNull(row, 'port_options');
  return {
    containerId: text(row, 'container_id'),
    ifname: text(row, 'ifname'),
    port: text(row, 'port'),
    device: text(row, 'device'),
    network: text(row, 'network'),
    netns: text(row, 'netns'),
    mac: text(row, 'mac'),
    mtu: Number(row['mtu']),
    endpoint: text(row, 'endpoint') === 'socket' ? 'socket' : 'tap',
    podRole: text(row, 'pod_role') === 'server' ? 'server' : 'client',
    ...(options === null ? {} : { portOptions: JSON.parse(options) as PortOptions }),
    state: stateOf(text(row, 'state')),
    ipamConfig: textOrNull(row, 'ipam_config'),
    podUid: textOrNull(row, 'pod_uid'),
    podNamespace: textOrNull(row, 'pod_namespace'),
    podName: textOrNull(row, 'pod_name'),
    runtimeIfname: text(row, 'runtime_ifname'),
    deviceInfo: textOrNull(row, 'device_info'),
  };
}

function optional(row: Row | undefined): Attachment | undefined {
  return row === undefined ? undefined : toAttachment(row);
}
