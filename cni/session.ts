// SPDX-License-Identifier: Apache-2.0
//
// One CNI call's hands: typed steps that the shim does one after the other. A step that fails throws an error that says
// what was tried and the errno. It never retries and never reorders.

import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { type ErrorCode, usvFailure } from '../lib/errors.ts';
import type { FrameReader } from './frame-reader.ts';
import * as wire from './shim-protocol.ts';

/** What a step failed with; the `cause` of the error that the step throws. */
export class StepErrno extends Error {
  /** Name of the errno, for example `EEXIST`. */
  readonly errno: string;

  constructor(errno: string) {
    super(errno);
    this.errno = errno;
  }
}

/** Name of the errno a step failed with, undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && error.cause instanceof StepErrno ? error.cause.errno : undefined;
}

/** True when the step was done, false when it failed with one of `errnos`; any other failure is thrown. */
export async function unless(errnos: readonly string[], step: Promise<void>): Promise<boolean> {
  try {
    await step;
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== undefined && errnos.includes(errno)) return false;
    throw error;
  }
}

/** A failure waits for the other one: what is still being made cannot be undone. */
export async function bothEnded<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
}

export interface ExecResult {
  /** 0..255, or 256 + the signal that ended the plugin. */
  readonly exitStatus: number;
  readonly stdout: Buffer;
}

/** Paths are relative to `<root>/run/usvhost`. Each step throws USV_IO, USV_TAP or USV_IPAM with the errno as cause. */
export interface Steps {
  mkdir(path: string, owner: wire.Ownership): Promise<void>;
  rmdir(path: string): Promise<void>;
  /** Appears under its name whole, by rename. */
  writeFile(path: string, owner: wire.Ownership, content: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Removes what a pod has left in a directory that was open to it; no link is followed, and there is an end to it. */
  empty(path: string): Promise<void>;
  /** A file with device information; `name` is below its directory, which is made when absent. */
  writeDeviceInfo(name: string, content: string): Promise<void>;
  removeDeviceInfo(name: string): Promise<void>;
  /** Lays a directory over another one, read-only. */
  bindReadOnly(source: string, target: string): Promise<void>;
  /** The same for a directory into which the pod may write. */
  bindWritable(source: string, target: string): Promise<void>;
  /** Lays an empty tmpfs over a directory; nobody who goes through it follows a symbolic link in it. */
  mountSmallFs(path: string, spec: wire.SmallFsSpec): Promise<void>;
  unmount(path: string): Promise<void>;
  stat(path: string): Promise<wire.StatInfo>;
  tapAdd(tap: wire.TapSpec): Promise<void>;
  tapDelete(ifname: string, alias: string): Promise<void>;
  /** In another namespace than that of the call. */
  tapDeleteIn(netns: string, ifname: string, alias: string): Promise<void>;
  addressAdd(ifname: string, address: wire.Prefix): Promise<void>;
  routeAdd(ifname: string, route: wire.RouteSpec): Promise<void>;
  linkUp(ifname: string): Promise<void>;
  linkGet(ifname: string): Promise<wire.LinkInfo>;
  addressList(ifname: string): Promise<wire.Prefix[]>;
  exec(spec: wire.ExecSpec): Promise<ExecResult>;
}

interface Attempt {
  readonly code: ErrorCode;
  /** Completes "cannot ...". */
  readonly doing: string;
  readonly body: Buffer;
  readonly timeoutMillis?: number;
}

/** Time for a step that only calls the kernel. */
const stepMillis = 15_000;

export class ShimSession implements Steps {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #sequence = 0;

  constructor(socket: Socket, reader: FrameReader) {
    this.#socket = socket;
    this.#reader = reader;
  }

  async mkdir(path: string, owner: wire.Ownership): Promise<void> {
    await this.#step('mkdir', {
      code: 'USV_IO',
      doing: `make the directory ${path}`,
      body: wire.encodeMkdir(path, owner),
    });
  }

  async rmdir(path: string): Promise<void> {
    await this.#step('rmdir', {
      code: 'USV_IO',
      doing: `remove the directory ${path}`,
      body: wire.encodePath(path),
    });
  }

  async writeFile(path: string, owner: wire.Ownership, content: string): Promise<void> {
    const body = wire.encodeWriteFile(path, owner, Buffer.from(content));
    await this.#step('writeFile', { code: 'USV_IO', doing: `write ${path}`, body });
  }

  async unlink(path: string): Promise<void> {
    await this.#step('unlink', { code: 'USV_IO', doing: `remove ${path}`, body: wire.encodePath(path) });
  }

  async empty(path: string): Promise<void> {
    await this.#step('empty', { code: 'USV_IO', doing: `empty ${path}`, body: wire.encodePath(path) });
  }

  async writeDeviceInfo(name: string, content: string): Promise<void> {
    const body = wire.encodeWriteFile(name, { mode: 0o644, uid: 0, gid: 0 }, Buffer.from(content));
    await this.#step('deviceInfoWrite', {
      code: 'USV_IO',
      doing: `write the device information ${name}`,
      body,
    });
  }

  async removeDeviceInfo(name: string): Promise<void> {
    const doing = `remove the device information ${name}`;
    await this.#step('deviceInfoUnlink', { code: 'USV_IO', doing, body: wire.encodePath(name) });
  }

  async bindReadOnly(source: string, target: string): Promise<void> {
    await this.#bind(source, target, { readOnly: true });
  }

  async bindWritable(source: string, target: string): Promise<void> {
    await this.#bind(source, target, { readOnly: false });
  }

  async #bind(source: string, target: string, options: { readonly readOnly: boolean }): Promise<void> {
    const body = wire.encodeBind(source, target, options);
    await this.#step('bind', { code: 'USV_IO', doing: `bind ${source} at ${target}`, body });
  }

  async mountSmallFs(path: string, spec: wire.SmallFsSpec): Promise<void> {
    const body = wire.encodeSmallFs(path, spec);
    await this.#step('smallFs', { code: 'USV_IO', doing: `mount a tmpfs at ${path}`, body });
  }

  async unmount(path: string): Promise<void> {
    await this.#step('unmount', { code: 'USV_IO', doing: `unmount ${path}`, body: wire.encodePath(path) });
  }

  async stat(path: string): Promise<wire.StatInfo> {
    const report = await this.#step('stat', {
      code: 'USV_IO',
      doing: `look at ${path}`,
      body: wire.encodePath(path),
    });
    return wire.decodeStat(report.data);
  }

  async tapAdd(tap: wire.TapSpec): Promise<void> {
    const doing = `make the tap ${tap.ifname} in the pod's network namespace`;
    await this.#step('tapAdd', { code: 'USV_TAP', doing, body: wire.encodeTapAdd(tap) });
  }

  async tapDelete(ifname: string, alias: string): Promise<void> {
    const body = wire.encodeTapDelete(ifname, alias);
    await this.#step('tapDelete', { code: 'USV_TAP', doing: `remove the tap ${ifname}`, body });
  }

  async tapDeleteIn(netns: string, ifname: string, alias: string): Promise<void> {
    const doing = `remove the tap ${ifname} in ${netns}`;
    const body = wire.encodeTapDeleteIn(netns, ifname, alias);
    await this.#step('tapDeleteIn', { code: 'USV_TAP', doing, body });
  }

  async addressAdd(ifname: string, address: wire.Prefix): Promise<void> {
    const doing = `add the address ${Buffer.from(address.bytes).toString('hex')}/${address.length} to ${ifname}`;
    await this.#step('addressAdd', { code: 'USV_TAP', doing, body: wire.encodeAddressAdd(ifname, address) });
  }

  async routeAdd(ifname: string, route: wire.RouteSpec): Promise<void> {
    const { bytes, length } = route.destination;
    const doing = `add the route to ${Buffer.from(bytes).toString('hex')}/${length} by ${ifname}`;
    await this.#step('routeAdd', { code: 'USV_TAP', doing, body: wire.encodeRouteAdd(ifname, route) });
  }

  async linkUp(ifname: string): Promise<void> {
    await this.#step('linkUp', { code: 'USV_TAP', doing: `set ${ifname} up`, body: wire.encodeLink(ifname) });
  }

  async linkGet(ifname: string): Promise<wire.LinkInfo> {
    const body = wire.encodeLink(ifname);
    return wire.decodeLink(
      (await this.#step('linkGet', { code: 'USV_TAP', doing: `look at ${ifname}`, body })).data,
    );
  }

  async addressList(ifname: string): Promise<wire.Prefix[]> {
    const doing = `list the addresses of ${ifname}`;
    const report = await this.#step('addressList', { code: 'USV_TAP', doing, body: wire.encodeLink(ifname) });
    return wire.decodeAddresses(report.data);
  }

  async exec(spec: wire.ExecSpec): Promise<ExecResult> {
    const { args } = spec;
    const report = await this.#step(args === undefined ? 'exec' : 'execFor', {
      code: 'USV_IPAM',
      doing: `run the plugin ${spec.plugin} from CNI_PATH`,
      body: args === undefined ? wire.encodeExec(spec) : wire.encodeExecFor(spec, args),
      timeoutMillis: spec.timeoutMillis + stepMillis,
    });
    return { exitStatus: report.exitStatus, stdout: report.data };
  }

  /** Ends the call: the shim prints `stdout` and exits with `exitCode`. */
  finish(exitCode: number, stdout: string): void {
    this.#socket.end(wire.encodeFrame('finish', 0, wire.encodeFinish(exitCode, stdout)));
  }

  async #step(kind: wire.FrameKind, attempt: Attempt): Promise<wire.Report> {
    const sequence = ++this.#sequence;
    this.#socket.write(wire.encodeFrame(kind, sequence, attempt.body));
    const frame = await this.#reader.next(attempt.timeoutMillis ?? stepMillis);
    if (frame.kind !== wire.frameKinds.report || frame.sequence !== sequence) {
      throw usvFailure(
        'USV_MESSAGE',
        `the CNI shim answered step ${sequence} with frame ${frame.kind}/${frame.sequence}`,
      );
    }
    const report = wire.decodeReport(frame.body);
    if (report.error === 0) return report;
    const errno = getSystemErrorName(-report.error);
    throw usvFailure(attempt.code, `cannot ${attempt.doing}: ${errno}`, { cause: new StepErrno(errno) });
  }
}
