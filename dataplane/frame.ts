// SPDX-License-Identifier: Apache-2.0
//
// A frame in the memory that native code and the handler share. One object for each place, made at the start: handling a
// frame allocates nothing.

import { usvError } from '../lib/errors.ts';
import {
  ArpHeader,
  IcmpHeader,
  Ipv4Header,
  loadMac,
  protocols,
  storeMac,
  TcpHeader,
  UdpHeader,
} from './headers.ts';
import type { Arp, Frame, Icmp, Ipv4, Tcp, Udp } from './packet-api.ts';
import { packetHelpers } from './packet-helpers.ts';

const ethernetBytes = 14;
const vlanTags: readonly number[] = [0x8100, 0x88a8];
const drop = -1;

/** What the frames of a burst have in common. */
export interface Holder {
  /** Whether the handler may decide now. */
  open: boolean;
  /** Port that the burst came in by. */
  port: number;
  /** How many ports there are. */
  readonly ports: number;
}

export interface FramePlace {
  readonly bytes: Uint8Array;
  /** One element each, shared with native code, which checks both again. */
  readonly length: Uint32Array;
  readonly verdict: Int32Array;
}

export class SharedFrame implements Frame {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #length: Uint32Array;
  readonly #verdict: Int32Array;
  readonly #holder: Holder;
  readonly #arp: ArpHeader;
  readonly #ipv4: Ipv4Header;
  readonly #udp: UdpHeader;
  readonly #tcp: TcpHeader;
  readonly #icmp: IcmpHeader;

  constructor({ bytes, length, verdict }: FramePlace, holder: Holder) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#length = length;
    this.#verdict = verdict;
    this.#holder = holder;
    const place = {
      view: this.view,
      setLength: (value: number) => {
        this.length = value;
      },
    };
    this.#arp = new ArpHeader(place);
    this.#ipv4 = new Ipv4Header(place);
    this.#udp = new UdpHeader(place, this.#ipv4);
    this.#tcp = new TcpHeader(place, this.#ipv4);
    this.#icmp = new IcmpHeader(place, this.#ipv4);
  }

  get length(): number {
    return this.#length[0] ?? 0;
  }
  set length(value: number) {
    this.#checkOpen();
    if (!Number.isInteger(value) || value < ethernetBytes || value > this.bytes.length) {
      const expected = `${ethernetBytes} to ${this.bytes.length}`;
      throw usvError('USV_HANDLER', { what: 'length of a frame', expected, got: String(value) });
    }
    // What lies behind the end is of an earlier frame, perhaps of the other port.
    if (value > this.length) this.bytes.fill(0, this.length, value);
    this.#length[0] = value;
  }

  get destination(): number {
    return loadMac(this.view, 0);
  }
  set destination(value: number) {
    storeMac(this.view, 0, value);
  }
  get source(): number {
    return loadMac(this.view, 6);
  }
  set source(value: number) {
    storeMac(this.view, 6, value);
  }
  get #tagged(): boolean {
    return this.length >= ethernetBytes + 4 && vlanTags.includes(this.view.getUint16(12));
  }
  get #payloadStart(): number {
    return this.#tagged ? ethernetBytes + 4 : ethernetBytes;
  }
  get etherType(): number {
    return this.view.getUint16(this.#payloadStart - 2);
  }
  get vlan(): number | undefined {
    return this.#tagged ? this.view.getUint16(14) & 0xfff : undefined;
  }

  get arp(): Arp | undefined {
    return this.etherType === 0x0806 ? this.#arp.find(this.#payloadStart, this.length) : undefined;
  }
  get #foundIpv4(): Ipv4Header | undefined {
    return this.etherType === 0x0800 ? this.#ipv4.find(this.#payloadStart, this.length) : undefined;
  }
  get ipv4(): Ipv4 | undefined {
    return this.#foundIpv4;
  }
  get udp(): Udp | undefined {
    return this.#foundIpv4 === undefined ? undefined : this.#udp.find();
  }
  get tcp(): Tcp | undefined {
    return this.#foundIpv4 === undefined ? undefined : this.#tcp.find();
  }
  get icmp(): Icmp | undefined {
    return this.#foundIpv4 === undefined ? undefined : this.#icmp.find();
  }

  swapAddresses(): void {
    const { source } = this;
    this.source = this.destination;
    this.destination = source;
  }

  updateChecksums(): void {
    const ip = this.#foundIpv4;
    if (ip === undefined || ip.fragment) return;
    ip.checksum = 0;
    ip.checksum = packetHelpers.checksum(this.bytes, ip.headerStart, ip.payloadStart);
    const start = ip.payloadStart;
    const end = start + ip.payloadLength;
    if (this.udp !== undefined)
      this.#updateTransport(start, start + 6, start + this.view.getUint16(start + 4));
    else if (this.tcp !== undefined) this.#updateTransport(start, start + 16, end);
    else if (this.icmp !== undefined) {
      this.view.setUint16(start + 2, 0);
      this.view.setUint16(start + 2, packetHelpers.checksum(this.bytes, start, end));
    }
  }

  /** With the pseudo header of IPv4 (RFC 768, RFC 9293). `at`: where the checksum stands. */
  #updateTransport(start: number, at: number, end: number): void {
    const { source, destination, protocol } = this.#ipv4;
    const pseudo =
      (source >>> 16) +
      (source & 0xffff) +
      (destination >>> 16) +
      (destination & 0xffff) +
      protocol +
      end -
      start;
    this.view.setUint16(at, 0);
    const sum = packetHelpers.checksum(this.bytes, start, end, pseudo);
    // 0 would say that the sender of a UDP datagram has computed none (RFC 768).
    this.view.setUint16(at, protocol === protocols.udp && sum === 0 ? 0xffff : sum);
  }

  drop(): void {
    this.#decide(drop);
  }
  send(port: number): void {
    if (!Number.isInteger(port) || port < 0 || port >= this.#holder.ports) {
      const expected = `0 to ${this.#holder.ports - 1}`;
      throw usvError('USV_HANDLER', { what: 'port of send()', expected, got: String(port) });
    }
    this.#decide(port);
  }
  reply(): void {
    this.#decide(this.#holder.port);
  }
  forward(): void {
    this.#decide(this.#holder.ports - 1 - this.#holder.port);
  }

  #decide(verdict: number): void {
    this.#checkOpen();
    this.#verdict[0] = verdict;
  }

  /** After onBurst() the place belongs to another frame, about which a late call knows nothing. */
  #checkOpen(): void {
    if (this.#holder.open) return;
    const expected = 'a decision or a length before onBurst() returns';
    throw usvError('USV_HANDLER', { what: 'a frame', expected, got: 'one afterwards' });
  }
}
