// SPDX-License-Identifier: Apache-2.0
//
// vhost-user messages as bytes, right or wrong (QEMU's docs/interop/vhost-user.rst, "Message Specification"). Written without
// a look at the switch's own tables, so that a mistake of theirs is not repeated here.

/** Request numbers that the cases send. */
export const requests = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SEND_RARP: 19,
  NET_SET_MTU: 20,
  SET_BACKEND_REQ_FD: 21,
  IOTLB_MSG: 22,
  SET_VRING_ENDIAN: 23,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  CREATE_CRYPTO_SESSION: 26,
  CLOSE_CRYPTO_SESSION: 27,
  POSTCOPY_ADVISE: 28,
  POSTCOPY_LISTEN: 29,
  POSTCOPY_END: 30,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  GPU_SET_SOCKET: 33,
  RESET_DEVICE: 34,
  VRING_KICK: 35,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
} as const;
export type RequestName = keyof typeof requests;

export const flags = { version1: 0x1, reply: 0x4, needReply: 0x8 } as const;

/** Feature bits (virtio 1.2, 5.1.3 and 6; vhost-user, "Feature negotiation"). */
export const feature = {
  csum: 1n << 0n,
  guestCsum: 1n << 1n,
  guestTso4: 1n << 7n,
  hostTso4: 1n << 11n,
  hostTso6: 1n << 12n,
  mergeable: 1n << 15n,
  mq: 1n << 22n,
  protocolFeatures: 1n << 30n,
  indirect: 1n << 28n,
  eventIdx: 1n << 29n,
  version1: 1n << 32n,
  packed: 1n << 34n,
} as const;

/** Protocol feature bits (vhost-user, "Protocol features"). */
export const protocol = {
  mq: 1n << 0n,
  replyAck: 1n << 3n,
  mtu: 1n << 4n,
  config: 1n << 9n,
  resetDevice: 1n << 13n,
  memSlots: 1n << 15n,
  status: 1n << 16n,
} as const;

/** Little-endian bytes of a number, as hexadecimal digits; what does not fit is cut off. */
export function little(value: bigint | number, bytes: number): string {
  const all = BigInt.asUintN(bytes * 8, BigInt(value))
    .toString(16)
    .padStart(bytes * 2, '0');
  return (all.match(/../g) ?? []).toReversed().join('');
}

export const u16 = (value: bigint | number): string => little(value, 2);
export const u32 = (value: bigint | number): string => little(value, 4);
export const u64 = (value: bigint | number): string => little(value, 8);

interface HeaderWords {
  /** Default: version 1 and nothing else. */
  readonly flags?: number;
  /** What the header says of the payload's size. Default: the truth. */
  readonly size?: number;
}

/** A message as hexadecimal digits. `request`: a name or any number. */
export function message(request: RequestName | number, payload = '', header: HeaderWords = {}): string {
  const code = typeof request === 'number' ? request : requests[request];
  return u32(code) + u32(header.flags ?? flags.version1) + u32(header.size ?? payload.length / 2) + payload;
}

export interface Region {
  readonly guest: bigint;
  readonly size: bigint;
  readonly user: bigint;
  readonly offset: bigint;
}

/** Payload of SET_MEM_TABLE. `count`: what it says of their number. */
export function memoryTable(regions: readonly Region[], count = regions.length): string {
  return u32(count) + u32(0) + regions.map(region).join('');
}

export function region({ guest, size, user, offset }: Region): string {
  return u64(guest) + u64(size) + u64(user) + u64(offset);
}

export interface RingAddress {
  readonly index: number;
  readonly flags?: number;
  readonly desc: bigint;
  readonly used: bigint;
  readonly avail: bigint;
  readonly log?: bigint;
}

/** Payload of SET_VRING_ADDR. */
export function ringAddress(address: RingAddress): string {
  const { index, desc, used, avail } = address;
  return u32(index) + u32(address.flags ?? 0) + u64(desc) + u64(used) + u64(avail) + u64(address.log ?? 0n);
}

export const descriptorFlags = { next: 1, write: 2, indirect: 4 } as const;

export interface Descriptor {
  readonly address: bigint;
  readonly length: number;
  readonly flags?: number;
  readonly next?: number;
}

/** One entry of a descriptor table (virtio 1.2, 2.7.5). */
export function descriptor({ address, length, flags: bits = 0, next = 0 }: Descriptor): string {
  return u64(address) + u32(length) + u16(bits) + u16(next);
}

/** `02:00:00:00:00:01` as bytes. */
export const mac = (text: string): string => text.replaceAll(':', '');

interface FrameWords {
  readonly destination: string;
  readonly source: string;
  /** Bytes from destination address to end of payload. Default 60. */
  readonly length?: number;
}

/** An Ethernet frame whose payload is a pattern. */
export function frame({ destination, source, length = 60 }: FrameWords): string {
  return (mac(destination) + mac(source) + u16(0xb588) + 'a5'.repeat(length)).slice(0, 2 * length);
}
