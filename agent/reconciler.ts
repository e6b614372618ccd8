// SPDX-License-Identifier: Apache-2.0
//
// Compares what the node has with what pods own, since nobody tells when a call is lost: runtimes do not call GC for
// secondary networks, and the kubelet does not say that a device is free. Sources: tombstones, records, namespaces, the
// kubelet's pods, the switch's ports, the mount table. Nothing is released because a source is silent, and nothing after
// one look. It has no privilege: what needs one goes to agent/leftovers.ts.

import type { Attachment, AttachmentStore } from '../cni/attachment.ts';
import { attachmentFields } from '../cni/call-log.ts';
import type { KeyedQueue } from '../cni/keyed-queue.ts';
import type { ListedPod } from '../device-plugin/pod-resources.ts';
import { UsvhostError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { isAttachmentPort } from '../lib/names.ts';
import type { CleanupObserver } from './cleanup-observer.ts';
import type { Leftovers } from './leftovers.ts';
import { boundPorts, orphanMounts, orphanPorts } from './orphan-mounts.ts';
import { exists, type ReleaseDeps, release, releasePort } from './release.ts';
import { Suspects } from './suspects.ts';
import type { Tombstone, Tombstones } from './tombstones.ts';

export interface ReconcilerOptions {
  /** <root>/run/usvhost and <root>/run/usvhost/pods */
  readonly runDir: string;
  readonly podsDir: string;
  readonly store: ReleaseDeps['store'] & Pick<AttachmentStore, 'get' | 'list'>;
  readonly tombstones: Pick<Tombstones, 'list' | 'remove'>;
  readonly leftovers: Pick<Leftovers, 'setMounts' | 'setPorts'>;
  /** The queue of the CNI calls by container: nothing is released in the middle of one. */
  readonly queue: KeyedQueue;
  readonly switchPorts: ReleaseDeps['switchPorts'] & { portNames(): Promise<string[]> };
  /** Throws USV_KUBELET. */
  readonly listPods: () => Promise<readonly ListedPod[]>;
  /** Text of /proc/self/mountinfo. */
  readonly readMounts: () => string;
  readonly log: Logger;
  readonly observer?: CleanupObserver;
  /** Pause between two passes. */
  readonly intervalMillis: number;
  /** How long something must look left over. Default: half of the interval. */
  readonly settleMillis?: number;
  /** Milliseconds of a steady clock. Default performance.now. */
  readonly now?: () => number;
}

const away: ReadonlySet<string> = new Set(['USV_KUBELET', 'USV_SWITCH_UNREACHABLE']);

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #attachments: Suspects;
  readonly #ports: Suspects;
  readonly #mounts: Suspects;
  readonly #portDirectories: Suspects;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const suspects = (): Suspects =>
      new Suspects(
        options.settleMillis ?? options.intervalMillis / 2,
        options.now ?? (() => performance.now()),
      );
    this.#attachments = suspects();
    this.#ports = suspects();
    this.#mounts = suspects();
    this.#portDirectories = suspects();
  }

  /** Asks for a pass now, and for one after each interval. While one runs, one more follows. */
  kick(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#again && !this.#closed) {
      this.#again = false;
      await this.pass();
    }
    if (!this.#closed) this.#timer = setTimeout(() => this.kick(), this.#options.intervalMillis);
  }

  /** One comparison. Never throws: what fails is said and waits for the next pass. */
  async pass(): Promise<void> {
    const started = performance.now();
    const parts = [
      await this.#part('tombstones', () => this.#acceptTombstones()),
      await this.#part('attachments', () => this.#compareWithPods()),
      await this.#part('ports', () => this.#compareWithSwitch()),
    ];
    this.#options.observer?.passed((performance.now() - started) / 1000, parts.every(Boolean));
  }

  /** False when a source did not answer. */
  async #part(what: string, compare: () => Promise<void>): Promise<boolean> {
    try {
      await compare();
      return true;
    } catch (error) {
      const { log } = this.#options;
      // A kubelet or switch that is away is usual, and said where it matters.
      if (error instanceof UsvhostError && away.has(error.code))
        log.debug({ what, err: error }, 'not reconciled');
      else log.error({ what, err: error }, 'not reconciled');
      return false;
    }
  }

  async #acceptTombstones(): Promise<void> {
    const { tombstones, queue, observer } = this.#options;
    for (const tombstone of tombstones.list()) {
      if (queue.busy(tombstone.key.containerId)) continue;
      await queue.run(tombstone.key.containerId, async () => {
        if (!(await this.#accept(tombstone))) return;
        tombstones.remove(tombstone.name);
        observer?.acted('tombstone');
      });
    }
  }

  /** True when a tombstone asks for nothing more. */
  async #accept({ name, key, ipam }: Tombstone): Promise<boolean> {
    const { store, log } = this.#options;
    const record = store.get(key);
    if (record === undefined) return !ipam;
    if (record.state !== 'deleting')
      log.info({ ...attachmentFields(record), tombstone: name }, 'deleted while there was no agent');
    return (await release(record, this.#options)) && !ipam;
  }

  async #compareWithPods(): Promise<void> {
    // Before the kubelet is asked: every pod that has a record by now is one that the kubelet has.
    const records = this.#options.store.list();
    const mounted = orphanMounts(this.#options.readMounts(), this.#options.podsDir, records);
    const pods = await this.#options.listPods();
    const owners = ownersIn(pods);

    const gone = records.filter((record) => !exists(record.netns) && !owners.own(record));
    const confirmed = this.#attachments.confirm(gone.map(({ port }) => port));
    for (const record of gone) if (confirmed.has(record.port)) await this.#release(record);

    const free = mounted.filter(({ device }) => !owners.devices.has(device));
    const places = this.#mounts.confirm(free.map(({ device, ifname }) => `${device}/${ifname}`));
    this.#options.leftovers.setMounts(free.filter(({ device, ifname }) => places.has(`${device}/${ifname}`)));
  }

  async #release(record: Attachment): Promise<void> {
    const { queue, store, log, observer } = this.#options;
    // A call of its own is better than we are; there is another pass.
    if (queue.busy(record.containerId)) return;
    await queue.run(record.containerId, async () => {
      const now = store.get(record);
      if (now === undefined || now.netns !== record.netns) return;
      if (now.state !== 'deleting') {
        log.info(attachmentFields(now), 'the pod is gone');
        observer?.acted('attachment');
      }
      await release(now, this.#options);
    });
  }

  async #compareWithSwitch(): Promise<void> {
    const { switchPorts, store, readMounts, log, observer } = this.#options;
    const names = await switchPorts.portNames();
    // After the switch was asked: an ADD writes its record before it asks for the port.
    const known = new Set(store.list().map(({ port }) => port));
    // Without its record (a lost database) a port may still be a living pod's; its mount is judged first.
    const bound = boundPorts(readMounts());
    const strangers = names.filter((name) => isAttachmentPort(name) && !known.has(name) && !bound.has(name));
    for (const port of this.#ports.confirm(strangers)) {
      if (store.list().some((record) => record.port === port)) continue;
      log.info({ port }, 'no attachment has this port');
      await releasePort(port, this.#options);
      observer?.acted('port');
    }
    const unbound = orphanPorts(readMounts(), store.list()).filter((port) => !bound.has(port));
    this.#options.leftovers.setPorts([...this.#portDirectories.confirm(unbound)]);
  }
}

interface Owners {
  /** Whether a pod that the kubelet has can be the record's. */
  own(record: Attachment): boolean;
  /** Devices that some pod holds. */
  readonly devices: ReadonlySet<string>;
}

function ownersIn(pods: readonly ListedPod[]): Owners {
  const byName = new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod.devices]));
  const devices = new Set(pods.flatMap((pod) => pod.devices));
  return {
    devices,
    own: ({ podNamespace, podName, device }) => {
      // A record without a pod's name is of the pod that holds its device.
      if (podNamespace === null || podName === null) return devices.has(device);
      const held = byName.get(`${podNamespace}/${podName}`);
      // A pod that has other devices of ours is a later one of the same name, as a StatefulSet makes them.
      return held !== undefined && (held.length === 0 || held.includes(device));
    },
  };
}
