// SPDX-License-Identifier: Apache-2.0
//
// What is left of pods that are gone and needs privileges: mounts, and addresses that only an IPAM plugin can take back.
// The agent has none, so the shim of whatever ADD or DEL comes next lends its hands first, for a bounded time. It works
// only on attachments that nobody else works on, and a failure here never fails the call that lends.

import { type Attachment, attachmentPaths } from '../cni/attachment.ts';
import type { CniDeps, VerbDeps } from '../cni/call.ts';
import { AttachmentLog, attachmentFields } from '../cni/call-log.ts';
import type { KeyedQueue } from '../cni/keyed-queue.ts';
import { type Steps, unless } from '../cni/session.ts';
import type { ShimRequest } from '../cni/shim-protocol.ts';
import { standInForRecord, standInForRequest } from '../cni/stand-in.ts';
import { del, dismantle, removePort } from '../cni/verbs/del.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Attachments } from './attachments.ts';
import type { CleanupObserver } from './cleanup-observer.ts';
import { exists } from './release.ts';
import type { Tombstone, Tombstones } from './tombstones.ts';

/** Done in one call; the others wait for the next call. */
const maxPerCall = 4;
/** None is begun later than this in a call. */
const maxMillis = 2000;
/** Pause before one that failed is tried again. */
const retryMillis = 60_000;
/** So many calls may be of a runtime whose CNI_PATH is without the IPAM plugin. */
const patientAttempts = 10;

/** A mount in a pod's directory that no record names. */
export interface OrphanMount {
  readonly device: string;
  readonly ifname: string;
}

export interface LeftoversOptions {
  readonly cni: CniDeps;
  readonly store: Pick<Attachments, 'get' | 'listDeleting' | 'findByPlace'>;
  readonly tombstones: Pick<Tombstones, 'list' | 'remove'>;
  readonly queue: KeyedQueue;
  readonly observer?: Pick<CleanupObserver, 'acted'>;
  /** Milliseconds of a steady clock. Default performance.now. */
  readonly now?: () => number;
}

interface Chore {
  /** Tells it from all others. */
  readonly id: string;
  /** Whose calls it must not meet. */
  readonly containerId: string;
  /** What is known of it, for the log. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** `patient`: fails when the IPAM plugin is not there. */
  readonly run: (steps: Steps, deps: VerbDeps, patient: boolean) => Promise<void>;
}

export class Leftovers {
  readonly #options: LeftoversOptions;
  readonly #now: () => number;
  readonly #failed = new Map<string, { readonly times: number; readonly notBefore: number }>();
  #mounts = new Map<string, OrphanMount>();
  #ports: ReadonlySet<string> = new Set();

  constructor(options: LeftoversOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The mounts that the reconciler has found; replaces those of before. */
  setMounts(mounts: readonly OrphanMount[]): void {
    this.#mounts = new Map(mounts.map((mount) => [`${mount.device}/${mount.ifname}`, mount]));
  }

  /** Ports of nobody whose directory is a file system of its own; replaces those of before. */
  setPorts(ports: readonly string[]): void {
    this.#ports = new Set(ports);
  }

  /** Does what it can with the hands of a call; to be called in that call's turn of the queue, before the call itself. */
  async tidy(steps: Steps, { command, containerId: caller }: ShimRequest): Promise<void> {
    if (command !== 'ADD' && command !== 'DEL') return;
    const { queue } = this.#options;
    const end = this.#now() + maxMillis;
    let done = 0;
    for (const chore of this.#due()) {
      if (done === maxPerCall || this.#now() > end) break;
      const own = chore.containerId === caller;
      // Never waits for another container's turn: its call may be waiting for ours.
      if (!own && queue.busy(chore.containerId)) continue;
      done++;
      const attempt = (): Promise<boolean> => this.#attempt(chore, steps);
      if (!(await (own ? attempt() : queue.run(chore.containerId, attempt)))) break;
    }
  }

  /** False when the hands are gone. */
  async #attempt(chore: Chore, steps: Steps): Promise<boolean> {
    const { cni, observer } = this.#options;
    const log = new AttachmentLog(cni.log, { leftover: chore.id, ...chore.fields });
    const times = (this.#failed.get(chore.id)?.times ?? 0) + 1;
    try {
      await chore.run(steps, { ...cni, log }, times < patientAttempts);
      this.#failed.delete(chore.id);
      log.info({}, 'a leftover is gone');
      observer?.acted('leftover');
      return true;
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      log.warn({ err: error }, 'a leftover could not be taken away');
      observer?.acted('leftover_failed');
      this.#failed.set(chore.id, { times, notBefore: this.#now() + retryMillis });
      return error.code !== 'USV_SHIM_GONE' && error.code !== 'USV_MESSAGE';
    }
  }

  #due(): Chore[] {
    try {
      return this.#chores().filter(({ id }) => this.#now() >= (this.#failed.get(id)?.notBefore ?? 0));
    } catch (error) {
      if (!(error instanceof UsvhostError)) throw error;
      this.#options.cni.log.warn({ err: error }, 'leftovers cannot be looked up');
      return [];
    }
  }

  #chores(): Chore[] {
    const { store, tombstones } = this.#options;
    const written = tombstones.list().map((tombstone) => this.#buried(tombstone));
    // While the namespace exists, the tap in it is for the pod's own DEL.
    const going = store.listDeleting().filter(({ netns }) => !exists(netns));
    const mounts = [...this.#mounts.values()].map((mount) => this.#unmounting(mount));
    const ports = [...this.#ports].map((port) => this.#clearing(port));
    return [...written, ...going.map((record) => this.#going(record)), ...mounts, ...ports];
  }

  #buried({ name, request, key }: Tombstone): Chore {
    const { tombstones } = this.#options;
    const run: Chore['run'] = async (steps, deps, patient) => {
      await del({ ...standInForRequest(request, steps), patient }, deps);
      tombstones.remove(name);
    };
    return { id: `tombstone ${name}`, containerId: key.containerId, fields: { ...key }, run };
  }

  #going(record: Attachment): Chore {
    const { store } = this.#options;
    const run: Chore['run'] = async (steps, deps, patient) => {
      const now = store.get(record);
      if (now?.state === 'deleting') await dismantle({ ...standInForRecord(now, steps), patient }, deps, now);
    };
    const fields = attachmentFields(record);
    return { id: `attachment ${record.port}`, containerId: record.containerId, fields, run };
  }

  #unmounting({ device, ifname }: OrphanMount): Chore {
    const { store } = this.#options;
    const place = `${device}/${ifname}`;
    const { podPort } = attachmentPaths('x', device, ifname);
    const run: Chore['run'] = async (steps) => {
      // Handed out once, and one mount at a time: what is there afterwards may be a new pod's.
      this.#mounts.delete(place);
      if (store.findByPlace(device, ifname) !== undefined) return;
      await unless(['EINVAL', 'ENOENT'], steps.unmount(podPort));
      await unless(['ENOENT', 'ENOTEMPTY', 'ENOTDIR', 'EBUSY'], steps.rmdir(podPort));
    };
    return { id: `mount ${place}`, containerId: `mount ${place}`, fields: { device, ifname }, run };
  }

  #clearing(port: string): Chore {
    const { cni } = this.#options;
    const { portDir } = attachmentPaths(port, 'x', 'x');
    const run: Chore['run'] = async (steps, deps) => {
      this.#ports = new Set([...this.#ports].filter((each) => each !== port));
      if (cni.store.list().some((record) => record.port === port)) return;
      await unless(['EINVAL', 'ENOENT'], steps.unmount(portDir));
      await removePort(steps, deps, port);
    };
    return { id: `port ${port}`, containerId: `port ${port}`, fields: { port }, run };
  }
}
