// SPDX-License-Identifier: Apache-2.0
//
// Headers in a frame as objects that are made once a frame's place and then only pointed at a header. Each find() checks
// every length before it answers; a header that is cut off or contradicts itself is not there.

import type { Arp, Icmp, Ipv4, Tcp, Udp } from './packet-api.ts';

/** The bytes that headers lie in. `setLength` is the frame's own. */
export interface Place {
  readonly view: DataView;
  readonly setLength: (length: number) => void;
}

export const protocols = { icmp: 1, tcp: 6, udp: 17 } as const;

/** 48 bits, first byte highest. */
export function loadMac(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}

export function storeMac(view: DataView, at: number, mac: number): void {
  view.setUint16(at, Math.floor(mac / 2 ** 32));
  view.setUint32(at + 2, mac % 2 ** 32);
}

abstract class Header {
  protected readonly view: DataView;
  protected start = 0;

  constructor({ view }: Place) {
    this.view = view;
  }
}

export class ArpHeader extends Header implements Arp {
  /** Ethernet and IPv4, with their lengths (RFC 826, "Packet format"). */
  find(start: number, end: number): this | undefined {
    if (start + 28 > end) return undefined;
    if (this.view.getUint32(start) !== 0x1_0800 || this.view.getUint16(start + 4) !== 0x604) return undefined;
    this.start = start;
    return this;
  }
  get operation(): number {
    return this.view.getUint16(this.start + 6);
  }
  set operation(value: number) {
    this.view.setUint16(this.start + 6, value);
  }
  get senderMac(): number {
    return loadMac(this.view, this.start + 8);
  }
  set senderMac(value: number) {
    storeMac(this.view, this.start + 8, value);
  }
  get senderIp(): number {
    return this.view.getUint32(this.start + 14);
  }
  set senderIp(value: number) {
    this.view.setUint32(this.start + 14, value);
  }
  get targetMac(): number {
    return loadMac(this.view, this.start + 18);
  }
  set targetMac(value: number) {
    storeMac(this.view, this.start + 18, value);
  }
  get targetIp(): number {
    return this.view.getUint32(this.start + 24);
  }
  set targetIp(value: number) {
    this.view.setUint32(this.start + 24, value);
  }
}

export class Ipv4Header extends Header implements Ipv4 {
  find(start: number, end: number): this | undefined {
    if (start + 20 > end || this.view.getUint8(start) >> 4 !== 4) return undefined;
    this.start = start;
    if (this.headerLength < 20 || this.totalLength < this.headerLength) return undefined;
    return start + this.totalLength > end ? undefined : this;
  }
  get headerStart(): number {
    return this.start;
  }
  get headerLength(): number {
    return (this.view.getUint8(this.start) & 15) * 4;
  }
  get totalLength(): number {
    return this.view.getUint16(this.start + 2);
  }
  set totalLength(value: number) {
    this.view.setUint16(this.start + 2, value);
  }
  get fragment(): boolean {
    return (this.view.getUint16(this.start + 6) & 0x3fff) !== 0;
  }
  get ttl(): number {
    return this.view.getUint8(this.start + 8);
  }
  set ttl(value: number) {
    this.view.setUint8(this.start + 8, value);
  }
  get protocol(): number {
    return this.view.getUint8(this.start + 9);
  }
  set checksum(value: number) {
    this.view.setUint16(this.start + 10, value);
  }
  get source(): number {
    return this.view.getUint32(this.start + 12);
  }
  set source(value: number) {
    this.view.setUint32(this.start + 12, value);
  }
  get destination(): number {
    return this.view.getUint32(this.start + 16);
  }
  set destination(value: number) {
    this.view.setUint32(this.start + 16, value);
  }
  get payloadStart(): number {
    return this.start + this.headerLength;
  }
  get payloadLength(): number {
    return this.totalLength - this.headerLength;
  }
}

/** A header behind an IPv4 header. */
abstract class Transport extends Header {
  readonly #ip: Ipv4Header;

  constructor(place: Place, ip: Ipv4Header) {
    super(place);
    this.#ip = ip;
  }
  protected get ip(): Ipv4Header {
    return this.#ip;
  }
  /** Whether `ip`, which has been found, carries this protocol in at least so many bytes. */
  protected carries(protocol: number, bytes: number): boolean {
    const { ip } = this;
    if (ip.protocol !== protocol || ip.fragment || ip.payloadLength < bytes) return false;
    this.start = ip.payloadStart;
    return true;
  }
}

abstract class Ports extends Transport {
  get sourcePort(): number {
    return this.view.getUint16(this.start);
  }
  set sourcePort(value: number) {
    this.view.setUint16(this.start, value);
  }
  get destinationPort(): number {
    return this.view.getUint16(this.start + 2);
  }
  set destinationPort(value: number) {
    this.view.setUint16(this.start + 2, value);
  }
}

export class UdpHeader extends Ports implements Udp {
  readonly #setLength: (length: number) => void;

  constructor(place: Place, ip: Ipv4Header) {
    super(place, ip);
    this.#setLength = place.setLength;
  }
  find(): this | undefined {
    if (!this.carries(protocols.udp, 8)) return undefined;
    const length = this.view.getUint16(this.start + 4);
    return length < 8 || length > this.ip.payloadLength ? undefined : this;
  }
  get payloadStart(): number {
    return this.start + 8;
  }
  get payloadLength(): number {
    return this.view.getUint16(this.start + 4) - 8;
  }
  set payloadLength(value: number) {
    // The frame's own check comes first, so that nothing is half done.
    this.#setLength(this.payloadStart + value);
    this.view.setUint16(this.start + 4, 8 + value);
    this.ip.totalLength = this.ip.headerLength + 8 + value;
  }
}

export class TcpHeader extends Ports implements Tcp {
  find(): this | undefined {
    if (!this.carries(protocols.tcp, 20)) return undefined;
    const header = this.#headerLength;
    return header < 20 || header > this.ip.payloadLength ? undefined : this;
  }
  get #headerLength(): number {
    return (this.view.getUint8(this.start + 12) >> 4) * 4;
  }
  get flags(): number {
    return this.view.getUint8(this.start + 13);
  }
  set flags(value: number) {
    this.view.setUint8(this.start + 13, value);
  }
  get payloadStart(): number {
    return this.start + this.#headerLength;
  }
  get payloadLength(): number {
    return this.ip.payloadLength - this.#headerLength;
  }
}

export class IcmpHeader extends Transport implements Icmp {
  find(): this | undefined {
    return this.carries(protocols.icmp, 8) ? this : undefined;
  }
  get type(): number {
    return this.view.getUint8(this.start);
  }
  set type(value: number) {
    this.view.setUint8(this.start, value);
  }
  get code(): number {
    return this.view.getUint8(this.start + 1);
  }
  set code(value: number) {
    this.view.setUint8(this.start + 1, value);
  }
}
