// SPDX-License-Identifier: Apache-2.0
//
// IP addresses and MACs as the texts of CNI and as the bytes of the kernel. Only whole, well-formed texts pass.

import { createHash } from 'node:crypto';
import { Address4, Address6 } from 'ip-address';
import type { Prefix } from './shim-protocol.ts';

function parse(text: string): Address4 | Address6 | undefined {
  // A zone index names an interface of this host: meaningless in a pod.
  if (text.includes('%')) return undefined;
  if (Address4.isValid(text)) return new Address4(text);
  if (Address6.isValid(text)) return new Address6(text);
  return undefined;
}

function bytesOf(address: Address4 | Address6): Uint8Array {
  const size = address instanceof Address4 ? 4 : 16;
  const digits = address
    .bigInt()
    .toString(16)
    .padStart(size * 2, '0');
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** `10.1.2.3/24` or `fd00::3/64`; undefined for anything else, also for an address without a prefix length. */
export function parseCidr(text: string): Prefix | undefined {
  const address = text.includes('/') ? parse(text) : undefined;
  return address === undefined ? undefined : { bytes: bytesOf(address), length: address.subnetMask };
}

/** Bytes of `10.1.2.3` or `fd00::3`; undefined for anything else. */
export function parseAddress(text: string): Uint8Array | undefined {
  const address = text.includes('/') ? undefined : parse(text);
  return address === undefined ? undefined : bytesOf(address);
}

/** True when two prefixes are the same address with the same length. */
export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && Buffer.compare(a.bytes, b.bytes) === 0;
}

/** True when `address` lies in the subnet of `prefix`. */
export function contains(prefix: Prefix, address: Uint8Array): boolean {
  if (prefix.bytes.length !== address.length) return false;
  return prefix.bytes.every((byte, n) => {
    const bits = Math.max(0, Math.min(8, prefix.length - n * 8));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (byte & mask) === ((address[n] ?? 0) & mask);
  });
}

/**
 * Locally administered unicast MAC of an attachment, the same whenever it is computed: first octet 02 (IEEE 802-2014,
 * 8.4), the rest from SHA-256 of both names.
 */
export function derivedMac(containerId: string, ifname: string): string {
  const digest = createHash('sha256').update(`${containerId}\0${ifname}\0mac`).digest('hex');
  return ['02', ...(digest.slice(0, 10).match(/../gu) ?? [])].join(':');
}
