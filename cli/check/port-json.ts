// SPDX-License-Identifier: Apache-2.0
//
// port.json as a document: is it there, is it small, is it the contract, and are its values such that a driver can use
// them. The file may have been put there by anybody: it is read only when it is a plain file of a bounded size.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseCidr } from '../../cni/addresses.ts';
import { largestQueue } from '../../dataplane/devargs.ts';
import { errnoOf } from '../../lib/errno.ts';
import { socketPathLimit } from '../../lib/names.ts';
import { type PortContract, portContractSchema } from '../../lib/port-contract.ts';
import { type Finding, note, ok, wrong } from './finding.ts';

const what = 'port.json';

/** Far over what a node writes. */
export const largestDocument = 65_536;
/** RFC 8200, section 5. */
const smallestIpv6Mtu = 1280;

export interface PortJson {
  readonly findings: readonly Finding[];
  /** When it has the form of the contract. */
  readonly contract?: PortContract;
}

const again = 'let the node write it anew: delete the pod so that CNI ADD runs again';

/** Text of a plain file, not through a link, or what is wrong with it. */
function readBounded(file: string): string | Finding {
  let fd: number;
  try {
    // Without waiting: the name may be a pipe.
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === '') throw error;
    if (errno === 'ELOOP') return wrong(what, `${file} is a symbolic link`, again);
    const todo = errno === 'ENOENT' ? again : 'run as a user who may read it';
    return wrong(what, `${file} cannot be opened: ${errno}`, todo);
  }
  try {
    if (!fstatSync(fd).isFile()) return wrong(what, `${file} is not a plain file`, again);
    const bytes = Buffer.alloc(largestDocument + 1);
    let size = 0;
    for (let got = -1; got !== 0 && size < bytes.length; size += got)
      got = readSync(fd, bytes, size, bytes.length - size, null);
    if (size > largestDocument) return wrong(what, `${file} has over ${largestDocument} bytes`, again);
    return bytes.toString('utf8', 0, size);
  } finally {
    closeSync(fd);
  }
}

/** Reads and judges the port.json of a port's directory. */
export function checkPortJson(directory: string): PortJson {
  const text = readBounded(join(directory, 'port.json'));
  if (typeof text !== 'string') return { findings: [text] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { findings: [wrong(what, `it is no JSON: ${String(error)}`, again)] };
  }
  const parsed = portContractSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const says = `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'is something else'}`;
    const todo = 'compare it with docs/port-contract.md; a newer version needs a newer usvhost in the pod';
    return { findings: [wrong(what, says, todo)] };
  }
  const contract = parsed.data;
  return { contract, findings: [ok(what, 'version 1 of the port contract'), ...values(directory, contract)] };
}

function values(directory: string, contract: PortContract): Finding[] {
  return [
    checkName(directory, contract),
    checkPaths(contract),
    checkMac(contract),
    checkMtu(contract),
    checkQueues(contract),
    checkAddresses(contract),
  ];
}

// In the pod the directory has the interface's name, on the node the port's.
function checkName(directory: string, { ifname, socket }: PortContract): Finding {
  const names = [ifname, basename(dirname(socket.host))];
  const name = basename(directory);
  if (names.includes(name)) return ok('name', `${ifname}, in the directory ${name}`);
  const todo = 'look at the directory that the node made; a copy of it is no port';
  return wrong('name', `the directory is ${name}, the document is of ${names.join(' or ')}`, todo);
}

function checkPaths({ ifname, socket }: PortContract): Finding {
  const long = [socket.pod, socket.host].find((path) => Buffer.byteLength(path) > socketPathLimit);
  if (long !== undefined) {
    const says = `${long} has ${Buffer.byteLength(long)} bytes, a unix socket has at most ${socketPathLimit}`;
    return wrong('socket paths', says, 'use a shorter --root of the node, or a shorter interface name');
  }
  const inPod = socket.pod.startsWith('/') && basename(dirname(socket.pod)) === ifname;
  if (inPod && socket.host.startsWith('/'))
    return ok('socket paths', `${socket.pod}, on the node ${socket.host}`);
  return wrong('socket paths', `${socket.pod} is not an absolute path of ${ifname}`, again);
}

function checkMac({ mac }: PortContract): Finding {
  // The lowest bit of the first byte marks a group (IEEE 802-2014, 8.2).
  const group = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  if (!group && mac !== '00:00:00:00:00:00') return ok('MAC', mac);
  const todo = 'give the network another "mac", or none';
  return wrong('MAC', `${mac} is ${group ? 'a group address' : 'no address'}`, todo);
}

function checkMtu({ mtu, ips }: PortContract): Finding {
  if (mtu < smallestIpv6Mtu && ips.some((ip) => ip.includes(':')))
    return wrong('MTU', `${mtu}, and IPv6 needs ${smallestIpv6Mtu}`, 'give the network a larger "mtu"');
  return ok('MTU', String(mtu));
}

function checkQueues({ queues, queueSize }: PortContract): Finding {
  const says = `${queues} ${queues === 1 ? 'pair' : 'pairs'}, ${queueSize} entries`;
  if ((queueSize & (queueSize - 1)) !== 0)
    return wrong('queues', `${says}: not a power of two`, 'give the network another "queueSize"');
  if (queueSize <= largestQueue) return ok('queues', says);
  return note('queues', `${says}; our driver uses ${largestQueue} of them`);
}

function checkAddresses({ ips }: PortContract): Finding {
  const odd = ips.find((ip) => parseCidr(ip) === undefined);
  if (odd !== undefined)
    return wrong(
      'addresses',
      `${odd} is not ADDRESS/PREFIX`,
      'correct "ips" or the IPAM plugin of the network',
    );
  const twice = ips.find((ip, index) => ips.slice(0, index).some((before) => same(before, ip)));
  if (twice !== undefined)
    return wrong('addresses', `${twice} is there twice`, 'correct "ips" or the IPAM plugin of the network');
  return ok('addresses', ips.join(', ') || 'none');
}

function same(a: string, b: string): boolean {
  const [first, second] = [parseCidr(a), parseCidr(b)];
  return first !== undefined && second !== undefined && Buffer.compare(first.bytes, second.bytes) === 0;
}
