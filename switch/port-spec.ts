// SPDX-License-Identifier: Apache-2.0
//
// The specification of a port: bounds, defaults, equality. Everything a client of the control socket says passes here
// first; nothing of it may reach the file system or the data plane unchecked.

import { usvError } from '../lib/errors.ts';
import { checkNetwork, checkPortName } from '../lib/names.ts';
import type { PortSpec as WireSpec } from '../proto/gen/usvhost/switch/v1/PortSpec.ts';

/** A checked specification with every default filled in. */
export interface PortSpec {
  readonly name: string;
  /** What the switch does with the socket: it listens (default), or connects to one that the pod makes. */
  readonly role: 'listen' | 'connect';
  /**
   * Permission bits of the socket, default 0666: its directory decides who reaches it. With `connect` those of the
   * directory, default 0777.
   */
  readonly socketMode: number;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** Lower case aa:bb:cc:dd:ee:ff, or empty for any. */
  readonly mac: string;
  /** Largest layer 3 packet in bytes, default 1500. */
  readonly mtu: number;
  /** Ports of one network reach each other and nobody else; empty for the default network. */
  readonly network: string;
}

const macForm = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
/** IPv4's least (RFC 791) and the largest that common NICs and DPDK drivers take. */
const mtuRange = { min: 68, max: 9702 } as const;
/** uid_t and gid_t hold 32 bits, and -1 means "leave as it is" to chown(2). */
const idMax = 0xffff_fffe;

/** Checks what came over the wire. Throws USV_NAME for the names, USV_USAGE for any other field. */
export function parsePortSpec(wire: WireSpec): PortSpec {
  const name = checkPortName(wire.name ?? '');
  const role = parseRole(wire.role ?? '');
  return {
    name,
    role,
    socketMode: parseMode(wire.socket_mode ?? 0, role === 'listen' ? 0o666 : 0o777),
    uid: parseId('uid', wire.uid),
    gid: parseId('gid', wire.gid),
    mac: parseMac(wire.mac ?? ''),
    mtu: parseMtu(wire.mtu ?? 0),
    network: checkNetwork(wire.network ?? ''),
  };
}

function parseRole(role: string): PortSpec['role'] {
  if (role === '' || role === 'listen') return 'listen';
  if (role === 'connect') return role;
  throw usvError('USV_USAGE', { what: 'role', expected: 'listen or connect', got: JSON.stringify(role) });
}

function parseMode(mode: number, absent: number): number {
  if (mode === 0) return absent;
  if (mode > 0o777)
    throw usvError('USV_USAGE', {
      what: 'socket_mode',
      expected: 'permission bits',
      got: `0${mode.toString(8)}`,
    });
  return mode;
}

function parseId(what: 'uid' | 'gid', id: number | undefined): number | undefined {
  if (id !== undefined && id > idMax)
    throw usvError('USV_USAGE', { what, expected: `0..${idMax}`, got: String(id) });
  return id;
}

function parseMac(text: string): string {
  const mac = text.toLowerCase();
  if (mac === '') return mac;
  const unicast = macForm.test(mac) && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
  if (!unicast || mac === '00:00:00:00:00:00') {
    throw usvError('USV_USAGE', {
      what: 'mac',
      expected: 'a unicast address as aa:bb:cc:dd:ee:ff',
      got: JSON.stringify(text),
    });
  }
  return mac;
}

function parseMtu(mtu: number): number {
  if (mtu === 0) return 1500;
  if (mtu < mtuRange.min || mtu > mtuRange.max) {
    throw usvError('USV_USAGE', {
      what: 'mtu',
      expected: `${mtuRange.min}..${mtuRange.max}`,
      got: String(mtu),
    });
  }
  return mtu;
}

const fields = ['role', 'socketMode', 'uid', 'gid', 'mac', 'mtu', 'network'] as const;

/** Names the first field in which two specifications of one name differ, undefined when they are equal. */
export function differingField(a: PortSpec, b: PortSpec): (typeof fields)[number] | undefined {
  return fields.find((field) => a[field] !== b[field]);
}

/** The wire form; absent ids stay absent. */
export function toWireSpec(spec: PortSpec): WireSpec {
  return {
    name: spec.name,
    socket_mode: spec.socketMode,
    ...(spec.uid === undefined ? {} : { uid: spec.uid }),
    ...(spec.gid === undefined ? {} : { gid: spec.gid }),
    mac: spec.mac,
    mtu: spec.mtu,
    role: spec.role,
    network: spec.network,
  };
}
