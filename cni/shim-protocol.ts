// SPDX-License-Identifier: Apache-2.0
//
// The agent's half of the wire between the CNI shim and the agent; native/shim/protocol.h is the other half and has the
// layouts as C structs. Encodes steps, decodes requests and reports. It checks every length before it reads and never
// trusts a size that the other side only claims.

import { usvError } from '../lib/errors.ts';

/** "USV2": changes with any layout, so that an old shim and a new agent refuse each other. */
export const magic = 0x32565355;
export const headerBytes = 16;
/** Largest body of a frame: standard input (1 MiB) and every variable. */
export const maxBody = (1 << 20) + 65536;

export const frameKinds = {
  request: 1,
  report: 2,
  mkdir: 16,
  rmdir: 17,
  writeFile: 18,
  unlink: 19,
  bind: 20,
  unmount: 21,
  stat: 22,
  smallFs: 23,
  deviceInfoWrite: 24,
  deviceInfoUnlink: 25,
  empty: 26,
  tapAdd: 32,
  tapDelete: 33,
  addressAdd: 34,
  routeAdd: 35,
  linkUp: 36,
  linkGet: 37,
  addressList: 38,
  tapDeleteIn: 39,
  exec: 48,
  execFor: 49,
  finish: 63,
} as const;

export type FrameKind = keyof typeof frameKinds;

const pathBytes = 192;
const ifnameBytes = 16;
const aliasBytes = 64;
const netnsBytes = 256;

/** What the shim sends first: the environment of the CNI call and its standard input. Undefined: not set by the runtime. */
export interface ShimRequest {
  readonly command: string | undefined;
  readonly containerId: string | undefined;
  readonly netns: string | undefined;
  readonly ifname: string | undefined;
  readonly args: string | undefined;
  readonly path: string | undefined;
  readonly stdin: Buffer;
}

export interface FrameHeader {
  readonly kind: number;
  readonly sequence: number;
  readonly length: number;
}

/** Decodes a header. Throws USV_MESSAGE for another protocol or a body over the limit. */
export function decodeHeader(bytes: Buffer): FrameHeader {
  const got = bytes.readUInt32LE(0);
  if (got !== magic) {
    const what = 'the frame of a CNI shim';
    throw usvError('USV_MESSAGE', { what, expected: 'protocol USV2', got: `0x${got.toString(16)}` });
  }
  const length = bytes.readUInt32LE(12);
  if (length > maxBody) {
    throw usvError('USV_MESSAGE', {
      what: 'a frame body',
      expected: `at most ${maxBody} bytes`,
      got: `${length}`,
    });
  }
  return { kind: bytes.readUInt16LE(4), sequence: bytes.readUInt32LE(8), length };
}

export function encodeFrame(kind: FrameKind, sequence: number, body: Buffer): Buffer {
  const frame = Buffer.alloc(headerBytes + body.length);
  frame.writeUInt32LE(magic, 0);
  frame.writeUInt16LE(frameKinds[kind], 4);
  frame.writeUInt32LE(sequence, 8);
  frame.writeUInt32LE(body.length, 12);
  body.copy(frame, headerBytes);
  return frame;
}

const requestFields = ['command', 'containerId', 'netns', 'ifname', 'args', 'path', 'stdin'] as const;

/** Decodes a request's body. Throws USV_MESSAGE when the lengths do not add up to the body. */
export function decodeRequest(body: Buffer): ShimRequest {
  const head = 4 + 4 * requestFields.length;
  const claimed =
    body.length < head ? head : requestFields.reduce((sum, _, n) => sum + body.readUInt32LE(4 + 4 * n), head);
  if (claimed !== body.length) {
    throw usvError('USV_MESSAGE', {
      what: 'a shim request',
      expected: `${claimed} bytes`,
      got: `${body.length}`,
    });
  }
  const present = body.readUInt32LE(0);
  let at = head;
  const values = requestFields.map((_, n) => {
    const value = body.subarray(at, at + body.readUInt32LE(4 + 4 * n));
    at += value.length;
    return (present & (1 << n)) === 0 ? undefined : value;
  });
  const [command, containerId, netns, ifname, args, path] = values.map((value) => value?.toString('utf8'));
  return { command, containerId, netns, ifname, args, path, stdin: values[6] ?? Buffer.alloc(0) };
}

/** The shim's answer to one step. */
export interface Report {
  /** errno of the step, 0 when it was done. */
  readonly error: number;
  /** Exec only: 0..255, or 256 + the signal that ended the plugin. */
  readonly exitStatus: number;
  readonly data: Buffer;
}

/** Decodes a report's body. Throws USV_MESSAGE when it is too short. */
export function decodeReport(body: Buffer): Report {
  if (body.length < 8) {
    throw usvError('USV_MESSAGE', {
      what: 'a shim report',
      expected: 'at least 8 bytes',
      got: `${body.length}`,
    });
  }
  return { error: body.readInt32LE(0), exitStatus: body.readInt32LE(4), data: body.subarray(8) };
}

// A text in an array of fixed size, closed by at least one NUL.
function putText(into: Buffer, at: number, size: number, text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes >= size || text.includes('\0')) {
    throw usvError('USV_NAME', {
      what: JSON.stringify(text),
      expected: `at most ${size - 1} bytes`,
      got: `${bytes}`,
    });
  }
  into.write(text, at);
}

function texts(tail: number, ...parts: readonly (readonly [size: number, text: string])[]): Buffer {
  const body = Buffer.alloc(parts.reduce((sum, [size]) => sum + size, tail));
  let at = 0;
  for (const [size, text] of parts) {
    putText(body, at, size, text);
    at += size;
  }
  return body;
}

export interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function withOwnership(path: string, owner: Ownership): Buffer {
  const body = texts(12, [pathBytes, path]);
  body.writeUInt32LE(owner.mode, pathBytes);
  body.writeUInt32LE(owner.uid, pathBytes + 4);
  body.writeUInt32LE(owner.gid, pathBytes + 8);
  return body;
}

/** mkdir: path and ownership. */
export const encodeMkdir = withOwnership;

export function encodeWriteFile(path: string, owner: Ownership, content: Buffer): Buffer {
  return Buffer.concat([withOwnership(path, owner), content]);
}

/** rmdir, unlink, unmount, stat, deviceInfoUnlink. */
export function encodePath(path: string): Buffer {
  return texts(0, [pathBytes, path]);
}

/** Whoever sees a read-only mount can connect to a socket there, but not add, replace or remove a file. */
export function encodeBind(
  source: string,
  target: string,
  { readOnly }: { readonly readOnly: boolean },
): Buffer {
  const body = texts(4, [pathBytes, source], [pathBytes, target]);
  body.writeUInt32LE(readOnly ? 1 : 0, 2 * pathBytes);
  return body;
}

/** A tmpfs for a directory that a pod may write into. */
export interface SmallFsSpec {
  /** Of its root directory, which is root's. */
  readonly mode: number;
  readonly bytes: number;
  /** The root directory is one. */
  readonly inodes: number;
}

export function encodeSmallFs(path: string, { mode, bytes, inodes }: SmallFsSpec): Buffer {
  const body = texts(12, [pathBytes, path]);
  body.writeUInt32LE(mode, pathBytes);
  body.writeUInt32LE(bytes, pathBytes + 4);
  body.writeUInt32LE(inodes, pathBytes + 8);
  return body;
}

export interface TapSpec {
  readonly ifname: string;
  /** Mark by which tapDelete knows the tap as ours, at most 63 bytes. */
  readonly alias: string;
  /** aa:bb:cc:dd:ee:ff */
  readonly mac: string;
  readonly mtu: number;
  /** User that may attach to the tap without a capability. */
  readonly uid: number;
  readonly multiQueue: boolean;
}

export function encodeTapAdd(tap: TapSpec): Buffer {
  const body = texts(20, [ifnameBytes, tap.ifname], [aliasBytes, tap.alias]);
  body.write(tap.mac.replaceAll(':', ''), 80, 'hex');
  body.writeUInt32LE(tap.mtu, 88);
  body.writeUInt32LE(tap.uid, 92);
  body.writeUInt32LE(tap.multiQueue ? 1 : 0, 96);
  return body;
}

export function encodeTapDelete(ifname: string, alias: string): Buffer {
  return texts(0, [ifnameBytes, ifname], [aliasBytes, alias]);
}

/** For an attachment of another container than the call's own: in the namespace of its ADD. */
export function encodeTapDeleteIn(netns: string, ifname: string, alias: string): Buffer {
  return texts(0, [netnsBytes, netns], [ifnameBytes, ifname], [aliasBytes, alias]);
}

/** linkUp, linkGet, addressList. */
export function encodeLink(ifname: string): Buffer {
  return texts(0, [ifnameBytes, ifname]);
}

/** An address or the network part of a route: 4 or 16 bytes and a prefix length. */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

const family = (bytes: Uint8Array): number => (bytes.length === 4 ? 4 : 6);

export function encodeAddressAdd(ifname: string, address: Prefix): Buffer {
  const body = texts(20, [ifnameBytes, ifname]);
  body.writeUInt8(family(address.bytes), 16);
  body.writeUInt8(address.length, 17);
  body.set(address.bytes, 20);
  return body;
}

export interface RouteSpec {
  readonly destination: Prefix;
  readonly gateway?: Uint8Array | undefined;
  /** RT_SCOPE_*; default link without a gateway, universe with one. */
  readonly scope?: number | undefined;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  readonly priority?: number | undefined;
  readonly table?: number | undefined;
}

export function encodeRouteAdd(ifname: string, route: RouteSpec): Buffer {
  const body = texts(52, [ifnameBytes, ifname]);
  body.writeUInt8(family(route.destination.bytes), 16);
  body.writeUInt8(route.destination.length, 17);
  body.writeUInt8(route.gateway === undefined ? 0 : 1, 18);
  body.writeUInt8(route.scope ?? 255, 19);
  body.set(route.destination.bytes, 20);
  body.set(route.gateway ?? [], 36);
  body.writeUInt32LE(route.mtu ?? 0, 52);
  body.writeUInt32LE(route.advmss ?? 0, 56);
  body.writeUInt32LE(route.priority ?? 0, 60);
  body.writeUInt32LE(route.table ?? 0, 64);
  return body;
}

export interface ExecSpec {
  /** Name of a plugin on CNI_PATH, without a slash. */
  readonly plugin: string;
  readonly command: string;
  /** Attachment that the plugin is called for; default that of the call. */
  readonly attachment?: { readonly containerId: string; readonly ifname: string } | undefined;
  readonly timeoutMillis: number;
  readonly stdin: Buffer;
  /** CNI_ARGS of an attachment of another container than the call's own; its namespace is gone. */
  readonly args?: string | undefined;
}

/** Variables of the call that another container's call stands in for: CNI_CONTAINERID, CNI_IFNAME, CNI_ARGS. */
export interface Behalf {
  readonly containerId: string;
  readonly ifname: string;
  readonly args: string;
}

export function encodeExecFor(spec: ExecSpec, args: string): Buffer {
  const { stdin, ...rest } = spec;
  const head = encodeExec({ ...rest, stdin: Buffer.alloc(0) });
  return Buffer.concat([head, texts(0, [1024, args]), stdin]);
}

export function encodeExec(spec: ExecSpec): Buffer {
  const { containerId = '', ifname = '' } = spec.attachment ?? {};
  const head = texts(4, [64, spec.plugin], [16, spec.command], [260, containerId], [ifnameBytes, ifname]);
  head.writeUInt32LE(spec.timeoutMillis, 356);
  return Buffer.concat([head, spec.stdin]);
}

export function encodeFinish(exitCode: number, stdout: string): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(exitCode, 0);
  return Buffer.concat([head, Buffer.from(stdout)]);
}

export interface StatInfo {
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** A mount lies on the path. */
  readonly mountRoot: boolean;
  /** Device and inode as one text, to compare two paths. */
  readonly identity: string;
}

export interface LinkInfo {
  readonly index: number;
  /** IFF_* bits. */
  readonly flags: number;
  readonly mtu: number;
  readonly mac: string;
  /** Kind of the link as rtnetlink names it; taps are `tun`. */
  readonly kind: string;
  readonly alias: string;
}

function checkSize(what: string, data: Buffer, expected: number): void {
  if (data.length !== expected) {
    throw usvError('USV_MESSAGE', { what, expected: `${expected} bytes`, got: `${data.length}` });
  }
}

export function decodeStat(data: Buffer): StatInfo {
  checkSize('a stat report', data, 32);
  return {
    mode: data.readUInt32LE(0),
    uid: data.readUInt32LE(4),
    gid: data.readUInt32LE(8),
    mountRoot: data.readUInt32LE(12) === 1,
    identity: `${data.readBigUInt64LE(16)}:${data.readBigUInt64LE(24)}`,
  };
}

function getText(data: Buffer, at: number, size: number): string {
  const part = data.subarray(at, at + size);
  const end = part.indexOf(0);
  return part.toString('utf8', 0, end < 0 ? size : end);
}

export function decodeLink(data: Buffer): LinkInfo {
  checkSize('a link report', data, 100);
  return {
    index: data.readUInt32LE(0),
    flags: data.readUInt32LE(4),
    mtu: data.readUInt32LE(8),
    mac: (data.toString('hex', 12, 18).match(/../gu) ?? []).join(':'),
    kind: getText(data, 20, 16),
    alias: getText(data, 36, aliasBytes),
  };
}

export function decodeAddresses(data: Buffer): Prefix[] {
  checkSize('an address report', data, data.length - (data.length % 20));
  const out: Prefix[] = [];
  for (let at = 0; at < data.length; at += 20) {
    const size = data.readUInt8(at) === 4 ? 4 : 16;
    out.push({ length: data.readUInt8(at + 1), bytes: data.subarray(at + 4, at + 4 + size) });
  }
  return out;
}
