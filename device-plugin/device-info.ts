// SPDX-License-Identifier: Apache-2.0
//
// Device information files of the ports, for Multus and the like: what kind of device an id is, before CNI runs. NPWG
// Device Information Specification 1.1.0, section 4.1. The directory is shared with other device plugins, so only names
// of our own resource are touched.

import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import type { Logger } from '../lib/log.ts';
import { podMountPath } from '../lib/names.ts';
import type { DevicePool } from './pool.ts';

const suffix = '-device.json';

/** What Multus calls the first additional interface; which name a port gets is known only when CNI runs. */
const firstInterface = 'net1';

const portInfo = {
  type: 'vhost-user',
  version: '1.1.0',
  // The mode is the pod's: the switch makes the socket, the pod connects.
  'vhost-user': { mode: 'client', path: `${podMountPath}/${firstInterface}/vhost.sock` },
} as const;

export interface DeviceInfoOptions {
  readonly directory: string;
  readonly resourceName: string;
  readonly pool: DevicePool;
  readonly log: Logger;
}

/** The files of one resource. Ports work without them, so a failure is a warning, USV_IO. */
export class DeviceInfoFiles {
  readonly #options: DeviceInfoOptions;
  #written = false;

  constructor(options: DeviceInfoOptions) {
    this.#options = options;
  }

  /** Writes the file of each device and removes those of devices that are no more. */
  write(): void {
    const { directory, pool } = this.#options;
    this.#attempt(() => {
      mkdirSync(directory, { recursive: true, mode: 0o755 });
      this.#written = true;
      const wanted = new Set(pool.list().map(({ id }) => this.#name(id)));
      for (const name of this.#present()) if (!wanted.has(name)) rmSync(join(directory, name));
      for (const name of wanted) {
        // Under a name of its own first: a reader sees a whole file or none.
        const unfinished = join(directory, `.${name}`);
        writeFileSync(unfinished, `${JSON.stringify(portInfo)}\n`, { mode: 0o644 });
        renameSync(unfinished, join(directory, name));
      }
    });
  }

  /** Removes what was written, and nothing when nothing was. */
  remove(): void {
    if (!this.#written) return;
    this.#attempt(() => {
      for (const name of this.#present()) rmSync(join(this.#options.directory, name));
    });
  }

  #name(id: string): string {
    return `${this.#options.resourceName.replaceAll('/', '-')}-${id}${suffix}`;
  }

  /** Files of our resource, those of a larger pool that was included. */
  #present(): string[] {
    const start = this.#name(this.#options.pool.prefix).slice(0, -suffix.length);
    const number = (name: string): string => name.slice(start.length, -suffix.length);
    return readdirSync(this.#options.directory).filter(
      (name) => name.startsWith(start) && name.endsWith(suffix) && /^\d+$/.test(number(name)),
    );
  }

  #attempt(action: () => void): void {
    const { directory, log } = this.#options;
    try {
      action();
    } catch (error) {
      const reason = errnoOf(error);
      if (reason === '') throw error;
      log.warn({ code: 'USV_IO', err: error }, `cannot keep device information in ${directory}: ${reason}`);
    }
  }
}
