// SPDX-License-Identifier: Apache-2.0
//
// The helpers that a handler gets: addresses between text and number, and the internet checksum.

import { usvError } from '../lib/errors.ts';
import type { PacketHelpers } from './packet-api.ts';

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function mac(text: string): number {
  if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(text)) {
    const expected = 'a MAC address such as 02:00:00:00:00:01';
    throw usvError('USV_HANDLER', { what: 'helpers.mac', expected, got: JSON.stringify(text) });
  }
  return Number.parseInt(text.replaceAll(':', ''), 16);
}

function macText(value: number): string {
  return [5, 4, 3, 2, 1, 0].map((index) => hex(Math.floor(value / 256 ** index) % 256)).join(':');
}

function ipv4(text: string): number {
  const bytes = /^(\d{1,3}\.){3}\d{1,3}$/.test(text) ? text.split('.').map(Number) : [256];
  if (bytes.some((byte) => byte > 255)) {
    const expected = 'an IPv4 address such as 10.0.0.1';
    throw usvError('USV_HANDLER', { what: 'helpers.ipv4', expected, got: JSON.stringify(text) });
  }
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

function checksum(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  let total = sum;
  let at = start;
  for (; at + 1 < end; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (at < end) total += (bytes[at] ?? 0) << 8;
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x1_0000);
  return ~total & 0xffff;
}

export const packetHelpers: PacketHelpers = { mac, macText, ipv4, ipv4Text, checksum };
