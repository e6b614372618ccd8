// SPDX-License-Identifier: Apache-2.0
//
// The ports that clients asked for, and the only writer of the port directories and of the data plane's ports. Every
// method is synchronous, so that two requests never interleave within a port. State lives in memory alone.

import { usvError, usvFailure } from '../lib/errors.ts';
import { checkPortName, type HostPaths } from '../lib/names.ts';
import type { SwitchPortStatus } from '../native/index.ts';
import type { NativeSwitchLike } from './native-switch.ts';
import {
  openPortDirectory,
  preparePortDirectory,
  removeEmpty,
  removePortDirectory,
} from './port-directory.ts';
import { differingField, type PortSpec } from './port-spec.ts';

/** One port: what was asked for and what the data plane says of it. */
export interface PortView {
  readonly spec: PortSpec;
  readonly status: SwitchPortStatus;
}

export interface RemovedPort {
  /** False when there was nothing of that name. */
  readonly removed: boolean;
  /** Names in the port's directory that are not ours; the directory stays when there are any. */
  readonly kept: readonly string[];
}

export interface DesiredPortsOptions {
  readonly native: NativeSwitchLike;
  readonly paths: Pick<HostPaths, 'portDir' | 'portSocket'>;
  readonly maxPorts: number;
}

export class DesiredPorts {
  readonly #options: DesiredPortsOptions;
  readonly #specs = new Map<string, PortSpec>();

  constructor(options: DesiredPortsOptions) {
    this.#options = options;
  }

  /**
   * Makes the port, or returns the existing one of the same specification; `added` tells which.
   * Throws USV_PORT_OCCUPIED (another specification, MAC of another port of its network), USV_PORT_LIMIT, USV_SOCKET_PATH, USV_IO.
   */
  add(spec: PortSpec): PortView & { readonly added: boolean } {
    const existing = this.#specs.get(spec.name);
    if (existing !== undefined) {
      checkSame(existing, spec);
      return { ...this.#view(existing), added: false };
    }
    this.#checkMac(spec);
    if (this.#specs.size >= this.#options.maxPorts) {
      throw usvFailure(
        'USV_PORT_LIMIT',
        `port ${spec.name}: the switch already has its ${this.#options.maxPorts} ports`,
      );
    }
    this.#make(spec);
    this.#specs.set(spec.name, spec);
    return { ...this.#view(spec), added: true };
  }

  #make(spec: PortSpec): void {
    const { native, paths } = this.#options;
    const socketPath = paths.portSocket(spec.name);
    const directory = paths.portDir(spec.name);
    const { socketMode: mode, uid, gid } = spec;
    const made =
      spec.role === 'connect'
        ? openPortDirectory(directory, { mode, uid, gid })
        : preparePortDirectory(directory);
    try {
      native.addPort({
        name: spec.name,
        network: spec.network,
        connect: spec.role === 'connect',
        socketPath,
        socketMode: spec.socketMode,
        ...(spec.uid === undefined ? {} : { uid: spec.uid }),
        ...(spec.gid === undefined ? {} : { gid: spec.gid }),
        ...(spec.mac === '' ? {} : { mac: spec.mac }),
        mtu: spec.mtu,
      });
    } catch (error) {
      if (made) removePortDirectory(directory);
      throw error;
    }
  }

  #checkMac(spec: PortSpec): void {
    if (spec.mac === '') return;
    for (const other of this.#specs.values()) {
      if (other.mac !== spec.mac || other.network !== spec.network) continue;
      throw usvError('USV_PORT_OCCUPIED', {
        what: `mac of port ${spec.name}`,
        expected: 'an address that no other port of its network has',
        got: `${spec.mac}, which port ${other.name} has`,
      });
    }
  }

  /** Removes the port and its directory, also a directory that a former switch left. Throws USV_NAME, USV_IO. */
  remove(name: string): RemovedPort {
    const directory = this.#options.paths.portDir(checkPortName(name));
    const known = this.#specs.delete(name);
    this.#options.native.removePort(name);
    const { removed, kept } = removePortDirectory(directory);
    return { removed: known || removed, kept };
  }

  get(name: string): PortView | undefined {
    const spec = this.#specs.get(name);
    return spec === undefined ? undefined : this.#view(spec);
  }

  /** All ports, ordered by name. */
  list(): PortView[] {
    const statuses = new Map(this.#options.native.ports().map((status) => [status.name, status]));
    const names = [...this.#specs.keys()].sort();
    return names.flatMap((name) => {
      const spec = this.#specs.get(name);
      return spec === undefined ? [] : [this.#viewOf(spec, statuses.get(name))];
    });
  }

  /**
   * Closes every port. A directory with a port.json belongs to a pod that will see the next switch's socket in it, so
   * only empty ones go.
   */
  close(): void {
    for (const name of this.#specs.keys()) {
      this.#options.native.removePort(name);
      removeEmpty(this.#options.paths.portDir(name));
    }
    this.#specs.clear();
  }

  #view(spec: PortSpec): PortView {
    return this.#viewOf(
      spec,
      this.#options.native.ports().find((status) => status.name === spec.name),
    );
  }

  #viewOf(spec: PortSpec, status: SwitchPortStatus | undefined): PortView {
    if (status !== undefined) return { spec, status };
    throw usvFailure('USV_INTERNAL', `the data plane has no port ${spec.name} although it was added`);
  }
}

function checkSame(existing: PortSpec, wanted: PortSpec): void {
  const field = differingField(existing, wanted);
  if (field === undefined) return;
  throw usvError('USV_PORT_OCCUPIED', {
    what: `${field} of port ${wanted.name}, which exists`,
    expected: shown(field, existing),
    got: shown(field, wanted),
  });
}

function shown(field: keyof PortSpec, spec: PortSpec): string {
  const value = spec[field];
  if (value === undefined || value === '') return 'none';
  return field === 'socketMode' ? `0${Number(value).toString(8)}` : String(value);
}
