// SPDX-License-Identifier: Apache-2.0
//
// The packet API: what a handler module of `usvhost dataplane --engine handler` exports and gets. A handler needs no import
// at run time, everything comes as an argument; `import type … from 'usvhost/packets'` gives an editor these types.
// docs/packets.md has the guide.

/** A port of the dataplane, as its device arguments and its port.json say. */
export interface HandlerPort {
  /** Device name, `net_virtio_user0`. */
  readonly name: string;
  /** Name of the interface in port.json; undefined without one, as the next three. */
  readonly ifname: string | undefined;
  /** `02:00:00:00:00:01` */
  readonly mac: string | undefined;
  /** Addresses with prefix length, `10.0.0.2/24`; empty without port.json. */
  readonly ips: readonly string[];
  /** Largest layer 3 packet in bytes. */
  readonly mtu: number | undefined;
}

/** Lines of JSON on standard error, beside those of the dataplane. Whoever logs frames lets their sender fill the log. */
export interface HandlerLog {
  readonly info: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly error: (text: string) => void;
}

/** Addresses as numbers, which compare with `===` and cost no memory: a MAC has 48 bits, an IPv4 address 32. */
export interface PacketHelpers {
  /** `02:00:00:00:00:01` as a number. @throws UsvhostError USV_HANDLER for anything else */
  readonly mac: (text: string) => number;
  readonly macText: (mac: number) => string;
  /** `10.0.0.1` as a number. @throws UsvhostError USV_HANDLER for anything else */
  readonly ipv4: (text: string) => number;
  readonly ipv4Text: (ip: number) => string;
  /**
   * The internet checksum (RFC 1071) of a range of bytes, folded and complemented.
   * `sum`: of what else belongs to it, such as a pseudo header, in 16-bit words, not folded. Default 0.
   */
  readonly checksum: (bytes: Uint8Array, start: number, end: number, sum?: number) => number;
}

export interface HandlerContext {
  /** One or two, in the order of --port. */
  readonly ports: readonly HandlerPort[];
  readonly log: HandlerLog;
  readonly helpers: PacketHelpers;
}

/** ARP for IPv4 over Ethernet (RFC 826). */
export interface Arp {
  /** 1 request, 2 reply. */
  operation: number;
  senderMac: number;
  senderIp: number;
  targetMac: number;
  targetIp: number;
}

/** An IPv4 header (RFC 791) whose lengths fit the frame. */
export interface Ipv4 {
  source: number;
  destination: number;
  ttl: number;
  /** 1 ICMP, 6 TCP, 17 UDP. */
  readonly protocol: number;
  /** Of the header, options included. */
  readonly headerLength: number;
  /** Of header and payload; what follows it in the frame is padding. */
  readonly totalLength: number;
  /** Whether the packet is a part of a larger one. Only the first part has a transport header, and we read none of them. */
  readonly fragment: boolean;
  /** Offset in `bytes` of the frame. */
  readonly payloadStart: number;
  readonly payloadLength: number;
}

/** A UDP header (RFC 768) in a packet that is no fragment. */
export interface Udp {
  sourcePort: number;
  destinationPort: number;
  /** Offset in `bytes` of the frame. */
  readonly payloadStart: number;
  /**
   * Setting it sets the lengths of UDP, of IPv4 and of the frame, which then ends with the payload.
   * @throws UsvhostError USV_HANDLER when that does not fit
   */
  payloadLength: number;
}

/** A TCP header (RFC 9293) in a packet that is no fragment. */
export interface Tcp {
  sourcePort: number;
  destinationPort: number;
  /** The eight bits from CWR to FIN: FIN 1, SYN 2, RST 4, PSH 8, ACK 16. */
  flags: number;
  readonly payloadStart: number;
  readonly payloadLength: number;
}

/** An ICMP header (RFC 792) in a packet that is no fragment. */
export interface Icmp {
  /** 0 echo reply, 8 echo request. */
  type: number;
  code: number;
}

/**
 * A frame of a burst, with the handler until onBurst() returns; the same object then serves other frames. It is a copy that
 * nobody else changes. Its Ethernet header is always there. A frame that gets no decision is dropped; of several the last
 * one counts.
 */
export interface Frame {
  /** From the destination address on. The frame are the first `length` of these bytes; a longer one can be made in place. */
  readonly bytes: Uint8Array;
  /** The same memory as `bytes`. */
  readonly view: DataView;
  /** From 14 to 2048. What it grows by is zeroed. @throws UsvhostError USV_HANDLER for other lengths */
  length: number;
  destination: number;
  source: number;
  /** That of the payload: behind a VLAN tag, if there is one. */
  readonly etherType: number;
  /** VLAN id of the tag (0x8100 or 0x88a8), undefined without one. A second tag is payload. */
  readonly vlan: number | undefined;
  /** Headers, where the frame has them whole and well-formed, else undefined. The objects are good for as long as the frame. */
  readonly arp: Arp | undefined;
  readonly ipv4: Ipv4 | undefined;
  readonly udp: Udp | undefined;
  readonly tcp: Tcp | undefined;
  readonly icmp: Icmp | undefined;
  /** Exchanges source and destination of the Ethernet header. */
  swapAddresses(): void;
  /** Writes the checksums of IPv4 and of UDP, TCP or ICMP anew, where the frame has them and is no fragment. */
  updateChecksums(): void;

  /** The default. */
  drop(): void;
  /** Sends it out by a port, as it is when onBurst() returns. @throws UsvhostError USV_HANDLER for a port that is not there */
  send(port: number): void;
  /** Sends it back by the port it came in. */
  reply(): void;
  /** Sends it out by the other port, or back by the only one. */
  forward(): void;
}

/** Frames that came in by one port, oldest first; 1 to 32. */
export interface Burst extends Iterable<Frame> {
  /** Index in `ports` of the context. */
  readonly port: number;
  readonly length: number;
  /** @throws UsvhostError USV_HANDLER for an index that is not there */
  at(index: number): Frame;
}

/** What setup() returns. */
export interface PacketHandler {
  /**
   * Decides on frames. It must not be async, since frames are gone when it returns. When it throws, all frames of the burst
   * are dropped and counted, and the next burst comes.
   */
  onBurst(burst: Burst): void;
  /** Numbers for the reports, called before each; names as you like. */
  metrics?(): Readonly<Record<string, number>>;
  /** Called before the dataplane ends. */
  close?(): void | Promise<void>;
}

/** The export `setup` of a handler module; called once, before any port is connected. */
export type Setup = (context: HandlerContext) => PacketHandler | Promise<PacketHandler>;
